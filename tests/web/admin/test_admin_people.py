"""People and roles, tokens, one's own account: as pages."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import select

from booking.db import Database
from booking.domain.words import Role
from booking.keys import password_matches
from booking.models import Account, AuditEntry
from tests.factories import PASSWORD, Region, bearer
from tests.web.conftest import Visitor

Staff = Callable[[Role], Visitor]
PEOPLE = "/staff/admin/people"
GP = "referring_clinician@p81001"


def code(text: str) -> str:
    """The first password a page shows."""
    return re.findall(r"<code>([^<]+)</code>", text)[1]


def let_in(manager: Visitor, **changes: str) -> str:
    filled = {"name": "Dr Bo D’Arcy", "username": "Bo@practice.example", "roles": "REFERRING_CLINICIAN", **changes}
    page = manager.send(manager.get(f"{PEOPLE}/new"), f"{PEOPLE}/new", **filled)
    assert page.status_code == 200, page.text
    return page.text


def test_somebody_new_chooses_their_own_password(
    region: Region, manager: Visitor, newcomer: Callable[[], Visitor], database: Database
) -> None:
    text = let_in(manager)
    first = code(text)
    assert "Dr Bo D’Arcy can sign in now" in text
    shown_again = manager.get(PEOPLE + "/" + re.findall(r'action="/staff/admin/people/(\d+)"', text)[0])
    assert first not in shown_again.text
    assert "First password not changed" in manager.get(PEOPLE).text

    them = newcomer()
    page = them.staff("bo@practice.example", first)
    assert page.request.path == "/staff/first-password"
    short = them.send(page, "/staff/first-password", username="bo@practice.example", given=first, new="x", again="x")
    assert "at least 12 characters" in short.text
    assert first not in short.text
    new = "three wise old owls"
    wrong = {"username": "bo@practice.example", "given": "not it", "new": new, "again": new}
    refused = them.send(page, "/staff/first-password", **wrong)
    assert "don&#39;t match" in refused.text
    page = them.send(page, "/staff/first-password", **{**wrong, "given": first})
    assert page.request.path == "/staff/referrals"
    assert "Your password is yours alone now" in page.text
    assert newcomer().staff("bo@practice.example", first).status_code == 422
    assert newcomer().staff("bo@practice.example", new).request.path == "/staff/referrals"
    with database.unit_of_work(write=False) as session:
        account = session.scalars(select(Account).where(Account.username == "bo@practice.example")).one()
        assert not account.password_temporary
        wanted = select(AuditEntry.action, AuditEntry.actor).where(AuditEntry.chain == f"account:{account.id}")
        rows = session.execute(wanted.order_by(AuditEntry.sequence)).all()
    assert [row.action for row in rows] == ["account.create", "account.grant", "account.password"]
    assert rows[-1].actor == "Dr Bo D’Arcy"


def test_a_first_password_is_refused_over_the_api_too(region: Region, manager: Visitor) -> None:
    first = code(let_in(manager))
    answer = manager.client.post("/api/v1/sessions", json={"username": "bo@practice.example", "password": first})
    assert (answer.status_code, answer.json["code"]) == (403, "PASSWORD_TEMPORARY")  # type: ignore[index]


def test_what_is_wrong_stands_beside_its_field(region: Region, manager: Visitor) -> None:
    page = manager.send(manager.get(f"{PEOPLE}/new"), f"{PEOPLE}/new", name="Bo", username="", roles="NOBODY")
    assert page.status_code == 422
    assert "<title>Error: " in page.text
    for words in ("Enter a user name", "Choose at least one role", 'value="Bo"'):
        assert words in page.text
    taken = manager.send(page, f"{PEOPLE}/new", name="Bo", username="referring_admin@p81001", roles="REFERRING_ADMIN")
    assert taken.status_code == 422
    assert "There is an account" in taken.text


def test_a_role_withdrawn_ends_the_session_at_once(region: Region, manager: Visitor, staff: Staff) -> None:
    gp = staff(Role.REFERRING_CLINICIAN)
    assert gp.get("/staff/referrals").request.path == "/staff/referrals"
    account = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    page = manager.get(f"{PEOPLE}/{account}")
    form = {"what": "withdraw", "role": "REFERRING_CLINICIAN"}
    done = manager.send(page, f"{PEOPLE}/{account}", **form)
    assert "no longer referring clinician" in done.text
    assert gp.get("/staff/referrals").request.path == "/staff/sign-in"
    again = manager.send(page, f"{PEOPLE}/{account}", **form)  # a double click
    assert again.status_code == 200
    given = manager.send(
        manager.get(f"{PEOPLE}/{account}"), f"{PEOPLE}/{account}", what="grant", role="REFERRING_ADMIN"
    )
    assert "is referring administrator now" in given.text


def test_nobody_locks_themselves_out(region: Region, manager: Visitor) -> None:
    me = region.account_roles[Role.REFERRING_ADMIN].account_id
    page = manager.get(f"{PEOPLE}/{me}")
    assert "This is you" in page.text
    refused = manager.send(page, f"{PEOPLE}/{me}", what="withdraw", role="REFERRING_ADMIN")
    assert refused.status_code == 422
    assert "Nobody would be left to manage" in refused.text
    assert "deactivate" not in page.text
    forced = manager.send(page, f"{PEOPLE}/{me}", what="deactivate")
    assert forced.status_code == 422
    assert manager.send(page, f"{PEOPLE}/{me}", what="password").status_code == 422
    assert manager.send(page, f"{PEOPLE}/{me}", what="nonsense").status_code == 422


def test_shut_out_and_let_in_again(region: Region, manager: Visitor, newcomer: Callable[[], Visitor]) -> None:
    account = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    page = manager.send(manager.get(f"{PEOPLE}/{account}"), f"{PEOPLE}/{account}", what="deactivate")
    assert "is shut out" in page.text
    assert newcomer().staff(GP).status_code == 422
    page = manager.send(page, f"{PEOPLE}/{account}", what="reactivate")
    assert "can sign in again" in page.text
    page = manager.send(page, f"{PEOPLE}/{account}", what="password")
    first = code(page.text)
    assert newcomer().staff(GP).status_code == 422  # the old password
    assert newcomer().staff(GP, first).request.path == "/staff/first-password"


def test_others_people_are_not_there(region: Region, manager: Visitor, staff: Staff) -> None:
    foreign = region.account_roles[Role.PROVIDER_ADMIN].account_id
    assert manager.get(f"{PEOPLE}/{foreign}").status_code == 404
    mine = region.account_roles[Role.REFERRING_CLINICIAN].account_id
    page = manager.get(f"{PEOPLE}/{mine}")
    data = {"what": "deactivate", "csrf_token": re.findall(r'csrf_token" value="([^"]+)', page.text)[0]}
    assert manager.client.post(f"{PEOPLE}/{foreign}", data=data).status_code == 404
    assert staff(Role.REFERRING_CLINICIAN).get(PEOPLE).status_code == 403
    assert staff(Role.INFORMATION_ANALYST).get(PEOPLE).status_code == 403
    assert staff(Role.COMMISSIONER).get(PEOPLE).status_code == 200


def test_a_token_is_shown_once_and_works_until_it_ends(region: Region, staff: Staff) -> None:
    manager = staff(Role.PROVIDER_ADMIN)
    page = manager.get("/staff/admin/tokens")
    wrong = manager.send(page, "/staff/admin/tokens", client="", role="", days="1.5")
    assert wrong.status_code == 422
    for words in ("Enter the name of the system", "Choose what the system may do", "Enter a number of days"):
        assert words in wrong.text
    made = manager.send(page, "/staff/admin/tokens", client="diary", role="PROVIDER_ADMIN", days="30")
    assert made.request.method == "GET"  # loading it anew makes no second token
    token = re.findall(r'id="token">([^<]+)<', made.text)[0]
    client = manager.client
    assert client.get("/api/v1/slots", headers=bearer(token)).status_code == 200
    listed = manager.get("/staff/admin/tokens")
    assert token not in listed.text
    assert "diary" in listed.text
    assert "diary" not in manager.get(PEOPLE).text
    ended = manager.send(listed, "/staff/admin/tokens/end")
    assert "does not work any more" in ended.text
    assert client.get("/api/v1/slots", headers=bearer(token)).status_code == 401
    assert manager.send(listed, "/staff/admin/tokens/end").status_code == 200  # twice


def test_changing_ones_own_password(region: Region, staff: Staff, newcomer: Callable[[], Visitor]) -> None:
    me, elsewhere = staff(Role.REFERRING_CLINICIAN), staff(Role.REFERRING_CLINICIAN)
    page = me.get("/staff/account")
    new = "three wise old owls"
    for fields, words in (
        ({"old": "", "new": "", "again": ""}, "Enter the password you have now"),
        ({"old": PASSWORD, "new": new, "again": "other"}, "not the same as the new"),
        ({"old": "wrong", "new": new, "again": new}, "That is not your password"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "at least 12"),
        ({"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "another password than the one you have"),
    ):
        refused = me.send(page, "/staff/account/password", **fields)
        assert refused.status_code == 422
        assert words in refused.text
        assert new not in refused.text
    done = me.send(page, "/staff/account/password", old=PASSWORD, new=new, again=new)
    assert "signed out in 1 other place" in done.text
    assert elsewhere.get("/staff/account").request.path == "/staff/sign-in"
    assert me.get("/staff/account").status_code == 200
    assert newcomer().staff(GP).status_code == 422
    assert newcomer().staff(GP, new).request.path == "/staff/referrals"


def test_guessing_ones_own_password_is_throttled(region: Region, staff: Staff) -> None:
    me = staff(Role.REFERRING_CLINICIAN)
    page = me.get("/staff/account")
    new = "three wise old owls"
    codes = [me.send(page, "/staff/account/password", old="guess", new=new, again=new).status_code for _ in range(7)]
    assert codes == [422] * 5 + [429] * 2


def test_ending_ones_other_sessions(region: Region, staff: Staff) -> None:
    me, elsewhere = staff(Role.PROVIDER_CLINICIAN), staff(Role.PROVIDER_CLINICIAN)
    page = me.get("/staff/account")
    assert page.text.count("End it") == 1
    ended = me.send(page, "/staff/account/sessions")
    assert "That session has ended" in ended.text
    assert elsewhere.get("/staff/account").request.path == "/staff/sign-in"
    assert me.send(page, "/staff/account/sessions").status_code == 200  # twice
    out = me.send(ended, "/staff/account/sessions")
    assert out.request.path == "/staff/sign-in"
    assert me.get("/staff/account").request.path == "/staff/sign-in"


def test_a_password_is_never_kept_for_after_signing_in(region: Region, staff: Staff, database: Database) -> None:
    me, new = staff(Role.REFERRING_CLINICIAN), "three wise old owls"
    page = me.get("/staff/account")
    elsewhere = staff(Role.REFERRING_CLINICIAN)
    elsewhere.send(elsewhere.get("/staff/account"), "/staff/account/sessions", at=-1)
    answer = me.send(page, "/staff/account/password", old=PASSWORD, new=new, again=new)
    assert answer.status_code == 422
    assert new not in answer.text
    back = me.send(answer, "/staff/sign-in", username=GP, password=PASSWORD)
    assert new not in back.text
    with database.unit_of_work(write=False) as session:
        account = session.get_one(Account, region.account_roles[Role.REFERRING_CLINICIAN].account_id)
        assert password_matches(account.password_hash, PASSWORD)
