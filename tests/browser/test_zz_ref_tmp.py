import os, traceback
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.browser.conftest import DESKTOP, PHONE, STANDARDS
from tests.browser.states import staff
from tests.browser.test_pages_referrer import STATES

pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
ONLY = os.environ.get("ONLY", "")
SHOTS = os.environ.get("SHOTS", "")

def test_all(clinic, opened):
    pages = {}
    out = open("/tmp/ref_states.txt", "a")
    def say(text):
        out.write(text + "\n"); out.flush()
    for state in STATES:
        if ONLY and not any(one in str(state) for one in ONLY.split(",")):
            continue
        try:
            path = state.arrange(clinic)
            if state.who not in pages:
                pages[state.who] = opened(DESKTOP)
                pages[state.who].context.set_default_timeout(30000)
                staff(pages[state.who], state.who)
            page = pages[state.who]
            page.set_viewport_size(DESKTOP)
            answer = page.goto(path)
            if state.act: state.act(page)
            h1 = [one.inner_text() for one in page.locator("h1").all()]
            said = f"{state}: {answer.status} {page.title()!r} h1={h1}"
            if state.heading and h1 != [state.heading]: said += " WRONG HEADING"
            for size, name in ((DESKTOP, "desktop"), (PHONE, "phone")):
                page.set_viewport_size(size)
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if wide > 0:
                    who = page.evaluate("[...document.querySelectorAll('main *')].filter(e=>e.getBoundingClientRect().right>document.documentElement.clientWidth+1).slice(0,4).map(e=>e.tagName+'.'+e.className+'#'+e.id)")
                    said += f" WIDE {name} {wide} {who}"
                if SHOTS: page.screenshot(path=f"/tmp/refshots/{state}-{name}.png", full_page=True)
                found = Axe().run(page, options={"runOnly": STANDARDS})
                if found.violations_count:
                    said += f"\n  {name}: " + "\n    ".join(f"{v['id']}: {n['html'][:200]} | {n['failureSummary'][:200]}" for v in found.response["violations"] for n in v["nodes"][:3])
            say(said)
        except Exception as e:
            say(f"{state}: EXCEPTION {type(e).__name__} {str(e)[:600]}")
    say("END")
