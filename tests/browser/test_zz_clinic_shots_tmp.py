import json, subprocess, sys
import pytest
from tests.browser.test_pages_clinics import busy
pytestmark = pytest.mark.parametrize("clinic", ["sqlite"], indirect=True)
def test_shots(clinic):
    k = busy(clinic)
    pages={"week":f"/staff/clinic?week={k['day']}","day":f"/staff/clinic/day?date={k['day']}","list":f"/staff/clinic/list?date={k['day']}","slot":f"/staff/clinic/slots/{k['free']}","over":f"/staff/clinic/slots/{k['over']}","publish":"/staff/publish","preview":"/staff/publish","bad":f"/staff/publish/file/{k['bad']}","file":"/staff/publish/file"}
    r=subprocess.run([sys.executable,"/tmp/clinic_shots.py",clinic.url,json.dumps(pages)],capture_output=True,text=True,env={**__import__("os").environ,"PYTHONPATH":"."})
    assert r.returncode==0, r.stderr
