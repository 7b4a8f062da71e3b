"""Worklists and triage as pages: what waits, what to do next, deciding, and being overtaken."""

from __future__ import annotations

from collections.abc import Callable

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingMode, Priority, Role, Worklist
from booking.domain.worklists import PROVIDER_LISTS
from booking.models import Site
from booking.services import advice, life
from booking.services.desk import queue
from booking.web.desk.deciding import DECISIONS
from tests import factories
from tests.life.conftest import Life
from tests.web.conftest import Visitor
from tests.web.desk.conftest import Stands

S, A = ReferralState, Action
STATES = [state for state in ReferralState if state is not S.DRAFT]


def test_every_state_has_its_page(lives: Life, staff: Callable[[Role], Visitor]) -> None:
    """What a state and role allow is what the page offers; nothing that would only be refused."""
    made = {state: lives.to(state) for state in STATES}
    lives.work.session.commit()
    for role in (Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN, Role.SERVICE_DEFINER):
        visitor, some = staff(role), set()
        for state, referral in made.items():
            page = visitor.get(f"/staff/desk/referrals/{referral.ubrn}")
            if state in (S.NOT_BOOKED, S.CANCELLED_REFERRAL):
                assert page.status_code == 404  # never sent to this provider
                continue
            assert page.status_code == 200, state
            assert "A changing mole" in page.text
            offered = {one for one in Action if f'name="decision" value="{one}"' in page.text}
            allowed = set(life.available(lives.acting(role), made[state])) & {one.action for one in DECISIONS}
            if state is S.BOOKED:  # the appointment is still ahead
                allowed -= {A.RECORD_ATTENDED, A.RECORD_DID_NOT_ATTEND}
            assert offered == allowed, (role, state)
            some |= offered
        assert bool(some) is (role is not Role.SERVICE_DEFINER)
        if role is Role.PROVIDER_CLINICIAN:
            assert some == {one.action for one in DECISIONS}


def test_the_home_of_a_provider_is_its_worklists(lives: Life, clinician: Visitor, definer: Visitor) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    page = clinician.get("/staff")
    assert page.request.path == "/staff/desk"
    assert made.ubrn in page.text.replace(" ", "")
    assert "Read one after another" in page.text
    assert definer.get("/staff").request.path == "/staff/desk/services"
    assert definer.get("/staff/desk").status_code == 200


def test_each_list_empty_and_full(lives: Life, admin: Visitor) -> None:
    for worklist in PROVIDER_LISTS:
        assert "Nothing to do here" in admin.get(f"/staff/desk?list={worklist}").text
    for state in (S.AWAITING_TRIAGE, S.BOOKED, S.DEFERRED_TO_PROVIDER, S.TRIAGED_PROVIDER_TO_ACTION, S.DID_NOT_ATTEND):
        lives.to(state)
    lives.work.session.commit()
    for worklist in PROVIDER_LISTS:
        page = admin.get(f"/staff/desk?list={worklist}&priority=ROUTINE&order=waited&service=&after=rubbish~7")
        assert page.status_code == 200
        assert admin.get(f"/staff/desk?list={worklist}&overdue=1&order=newest&after=2026-01-01~1").status_code == 200
        assert "Nothing here with these filters" in admin.get(f"/staff/desk?list={worklist}&priority=URGENT").text
    page = admin.get("/staff/desk?list=APPOINTMENT_SLOT_ISSUES")
    assert "1 patient waits" in page.text
    assert "1 more place here would clear it" in page.text


def test_filters_pages_and_what_is_overdue(lives: Life, admin: Visitor) -> None:
    for _ in range(27):
        lives.refer(shortlist=[lives.triage.id])
    urgent = lives.refer(shortlist=[lives.triage.id], priority=Priority.URGENT)
    lives.work.session.commit()
    page = admin.get("/staff/desk?list=REFERRALS_FOR_REVIEW")
    assert page.text.count("Read and decide") == 25
    more = page.text.split("Further ones")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert admin.get(more).text.count("Read and decide") == 3
    narrowed = admin.get(f"/staff/desk?list=REFERRALS_FOR_REVIEW&priority=URGENT&service={lives.triage.id}")
    assert narrowed.text.count("Read and decide") == 1
    assert urgent.ubrn in narrowed.text.replace(" ", "")


def test_triage_goes_on_to_the_next_until_none_is_left(lives: Life, stands: Stands, clinician: Visitor) -> None:
    made = [lives.refer(shortlist=[lives.triage.id]) for _ in range(3)]
    lives.work.session.commit()
    page = clinician.get("/staff/desk/triage")
    assert page.request.path.endswith(made[0].ubrn)
    assert "<strong>3</strong> left to read" in page.text
    page = clinician.send(page, "/staff/desk/triage/", decision="TRIAGE_ACCEPT", comment="See soon", priority="URGENT")
    assert "Accepted: Ada Patient" in page.text
    assert page.request.path.endswith(made[1].ubrn)
    refused = clinician.send(page, "/staff/desk/triage/", decision="TRIAGE_RETURN", comment=" ")
    assert refused.status_code == 422
    assert "Say why" in refused.text
    skipped = clinician.get(refused.text.split("Skip, and show")[0].rsplit('href="', 1)[1].split('"')[0])
    assert skipped.request.path.endswith(made[2].ubrn)
    page = clinician.send(skipped, "/staff/desk/triage/", decision="ASK_FOR_MORE", comment="Which side?")
    assert "1 referral still waits to be read" in page.text
    page = clinician.send(clinician.get("/staff/desk/triage"), "/staff/desk/triage/", decision="REDIRECT",
                          service_id=str(lives.region.services[0].id), comment="Better there")  # fmt: skip
    assert "Nothing left to read" in page.text
    states = [stands(one).state for one in made]
    assert states == [S.TRIAGED_PROVIDER_TO_ACTION, S.NOT_BOOKED, S.TRIAGE_RESPONSE]
    assert stands(made[0]).priority is Priority.URGENT
    shown = clinician.get(f"/staff/desk/referrals/{made[2].ubrn}")
    assert "More information needed: Which side?" in shown.text


def test_a_refused_decision_keeps_what_was_typed(lives: Life, stands: Stands, clinician: Visitor) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    for decision, given, said in (
        ("", {}, "Select what you decide"),
        ("CLOSE", {}, "Select what you decide"),
        ("REJECT", {"comment": "Not here"}, "Select the reason"),
        ("REDIRECT", {"comment": "Not here"}, "Select the service to send it to"),
        ("TRIAGE_ACCEPT", {"comment": "x" * 2001}, "characters or fewer"),
        ("TRIAGE_ACCEPT", {"comment": "Soon", "priority": "SOON"}, "Select the priority"),
    ):
        page = clinician.get(f"/staff/desk/triage/{made.ubrn}")
        sent = clinician.send(page, "/staff/desk/triage/", decision=decision, **given)
        assert sent.status_code == 422
        assert said in sent.text
        assert given.get("comment", "") in sent.text
    assert stands(made).state is S.AWAITING_TRIAGE


def test_two_decide_about_the_same_referral(lives: Life, stands: Stands, clinician: Visitor, admin: Visitor) -> None:
    made, following = lives.to(S.AWAITING_TRIAGE), lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    mine, theirs = (one.get(f"/staff/desk/triage/{made.ubrn}") for one in (clinician, admin))
    clinician.send(mine, "/staff/desk/triage/", decision="TRIAGE_RETURN", comment="Treat it there")
    late = admin.send(theirs, "/staff/desk/triage/", decision="REDIRECT", comment="There",
                      service_id=str(lives.region.services[0].id))  # fmt: skip
    assert "You did not change anything." in late.text
    assert "Provider_Clinician Person decided meanwhile" in late.text
    assert "returned with advice" in late.text
    assert late.request.path.endswith(following.ubrn)
    again = clinician.send(mine, "/staff/desk/triage/", decision="TRIAGE_RETURN", comment="Treat it there")
    assert "You decided meanwhile" in again.text
    assert stands(made).state is S.TRIAGE_RESPONSE


def test_changed_but_still_waiting_is_shown_again(lives: Life, clinician: Visitor) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    page = clinician.get(f"/staff/desk/triage/{made.ubrn}")
    lives.do(lives.clinician, made, A.CHANGE_PRIORITY, priority=Priority.URGENT, comment="Growing")
    lives.work.session.commit()
    sent = clinician.send(page, "/staff/desk/triage/", decision="TRIAGE_ACCEPT", comment="Fine to wait")
    assert sent.status_code == 409
    assert "Look again, then decide" in sent.text
    assert "Fine to wait" in sent.text
    done = clinician.send(sent, "/staff/desk/triage/", comment="Fine to wait")
    assert "Accepted: Ada" in done.text


def test_what_the_practice_corrected_is_nobody_s_decision(lives: Life, clinician: Visitor) -> None:
    made = lives.to(S.AWAITING_TRIAGE)
    lives.work.session.commit()
    page = clinician.get(f"/staff/desk/triage/{made.ubrn}")
    made.version += 1
    lives.work.session.commit()
    sent = clinician.send(page, "/staff/desk/triage/", decision="TRIAGE_ACCEPT", comment="Fine to wait")
    assert sent.status_code == 409
    assert "It was changed meanwhile." in sent.text
    assert "decided meanwhile" not in sent.text


def test_a_definer_reads_no_names_on_the_advice_list(lives: Life, admin: Visitor, definer: Visitor) -> None:
    site = lives.work.session.get_one(Site, lives.triage.site_id)
    advises = factories.service(
        lives.work, lives.region.provider, site, name="Skin advice", booking_mode=BookingMode.ADVICE_ONLY
    )
    about = factories.PatientFactory(practice_id=lives.region.practice.id, given_name="Asked", family_name="About")
    advice.ask(lives.gp, advice.NewAdvice(
        patient_id=about.id, service_id=advises.id, priority=Priority.ROUTINE, subject="A mole", text="Is it one?",
        convertible=False,
    ))  # fmt: skip
    lives.work.session.commit()
    assert "Asked About" in admin.get("/staff/desk?list=ADVICE_REQUESTS").text
    page = definer.get("/staff/desk?list=ADVICE_REQUESTS")
    assert page.status_code == 200
    assert "Asked About" not in page.text
    assert 'href="/staff/desk?list=ADVICE_REQUESTS"' not in page.text


def test_places_are_counted_for_those_who_may_have_them(lives: Life) -> None:
    def missing() -> list[tuple[int, int]]:
        return [(one.free, one.missing) for one in queue.shortages(lives.clinician)]

    for priority in (Priority.ROUTINE, Priority.ROUTINE, Priority.URGENT):
        alone = lives.refer(shortlist=[lives.full.id], priority=priority)
        lives.do(lives.gp, alone, A.DEFER_TO_PROVIDER, reason="NO_SLOTS", service_id=lives.full.id)
    first = lives.region.slots[0].starts_at
    assert missing() == [(0, 3)]
    factories.slots(lives.work, lives.full, first, 1, capacity=5, priorities=PRIORITY_BIT[Priority.TWO_WEEK_WAIT])
    assert missing() == [(0, 3)]  # nobody of these may have it
    factories.slots(lives.work, lives.full, first, 1, capacity=3, priorities=PRIORITY_BIT[Priority.URGENT])
    assert missing() == [(1, 2)]
    factories.slots(lives.work, lives.full, first, 1, capacity=1)
    assert missing() == [(2, 1)]
    factories.slots(lives.work, lives.full, first, 1, capacity=2, priorities=PRIORITY_BIT[Priority.ROUTINE])
    assert missing() == [(3, 0)]


def test_the_number_of_queries_does_not_grow(lives: Life, admin: Visitor) -> None:
    """Neither with the rows of a list whose times are looked for, nor with the services that could have a referral."""
    made = lives.to(S.DEFERRED_TO_PROVIDER)
    lives.to(S.DEFERRED_TO_PROVIDER)
    site = lives.work.session.get_one(Site, lives.triage.site_id)
    lives.work.session.commit()
    paths = (
        "/staff/desk?list=APPOINTMENT_SLOT_ISSUES", f"/staff/desk/referrals/{made.ubrn}/times",
        f"/staff/desk/clinics/cancel?service={lives.region.services[0].id}&first=2026-03-03&last=2026-03-09",
    )  # fmt: skip
    lives.to(S.BOOKED)
    lives.work.session.commit()
    before = [admin.asked(path) for path in paths]
    for number in range(5):
        lives.to(S.DEFERRED_TO_PROVIDER)
        lives.to(S.BOOKED)
        another = factories.service(lives.work, lives.region.provider, site, name=f"Clinic {number}")
        factories.slots(lives.work, another, lives.region.slots[0].starts_at, 2)
    lives.work.session.commit()
    assert [admin.asked(path) for path in paths] == before


def test_review_of_a_booked_appointment(lives: Life, stands: Stands, clinician: Visitor) -> None:
    made, other, third = (lives.to(S.BOOKED) for _ in range(3))
    lives.work.session.commit()
    page = clinician.get(f"/staff/desk/triage/{made.ubrn}")
    assert "The appointment" in page.text
    clinician.send(page, "/staff/desk/triage/", decision="ACCEPT")
    assert stands(made).worklist is Worklist.APPOINTMENTS_BOOKED
    page = clinician.get(f"/staff/desk/triage/{other.ubrn}")
    clinician.send(page, "/staff/desk/triage/", decision="REJECT", comment="No", reason__REJECT="DUPLICATE")
    assert stands(other).state is S.REJECTED
    page = clinician.get(f"/staff/desk/triage/{third.ubrn}")
    clinician.send(page, "/staff/desk/triage/", decision="CANCEL_AND_ACT_LATER", comment="Ill",
                   reason__CANCEL_AND_ACT_LATER="CLINICIAN_UNAVAILABLE")  # fmt: skip
    assert stands(third).state is S.TRIAGED_PROVIDER_TO_ACTION
    gone = clinician.get(f"/staff/desk/triage/{third.ubrn}")
    assert gone.request.path == f"/staff/desk/referrals/{third.ubrn}"


def test_another_providers_referral_does_not_exist(lives: Life, clinician: Visitor) -> None:
    theirs = lives.refer(shortlist=[lives.region.services[1].id])
    lives.work.session.commit()
    for path in ("triage/{}", "referrals/{}", "referrals/{}/times", "referrals/{}/summary.pdf", "referrals/{}/confirm"):
        assert clinician.get(f"/staff/desk/{path.format(theirs.ubrn)}").status_code == 404
