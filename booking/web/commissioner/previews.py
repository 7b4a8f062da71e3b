"""A preview of the policy: the next plan under it beside the next plan under today's, then publishing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.policy import BookingPolicy
from booking.domain.policy_changes import changes
from booking.edge.flask_app import work
from booking.models import PolicyPreview
from booking.services import policy as policies
from booking.services import previews
from booking.services.previews import PreviewState
from booking.services.reports.told_plan import told_group
from booking.web.base import blp
from booking.web.commissioner import changing, may_change, reading
from booking.web.commissioner.publishing import STALE, publish, when
from booking.web.commissioner.told import least_told, shown_count, told
from booking.web.forms import Form

GROUPS = (("two_week_wait", "Two-week wait"), ("urgent", "Urgent"), ("routine", "Routine"))
MOVES = (
    ("earlier", "Seen earlier"), ("later", "Seen later"), ("same_day", "On the same day"),
    ("gain_a_time", "Gain a time"), ("lose_their_time", "Lose the time they would have had"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure under today's policy and under the one asked about."""

    name: str
    now: str
    then: str
    verdict: str
    """``better``, ``worse``, ``same``, or empty where neither is better."""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    pairs: list[Pair]


@blp.get("/staff/policy/previews/<key:preview_id>")
@reading
def policy_preview(preview_id: int) -> str:
    """The next plan under a policy not published, beside today's: missed targets, waits, who would move."""
    return _page(previews.own_preview(work(), preview_id), _fresh())


@blp.post("/staff/policy/previews/<key:preview_id>/publish")
@changing
def policy_preview_publish(preview_id: int) -> ResponseReturnValue:
    """Publish the policy that was previewed."""
    preview = previews.own_preview(work(), preview_id)
    form = Form(request.form)
    if publish(form, preview.body) is not None:
        return redirect(url_for("web.policy"))
    return _page(preview, form), 409 if STALE in form.errors else 422


def _fresh() -> Form:
    return Form({**when(), "newest": str(policies.newest_number(work().session))})


def _page(preview: PolicyPreview, form: Form) -> str:
    row = policies.current_version(work().session, work().today)
    current = BookingPolicy.from_document(row.body, row.version) if row is not None else BookingPolicy()
    proposed = BookingPolicy.from_document(preview.body, 0)
    result = preview.result or {}
    return render_template(
        "commissioner/preview.html", preview=preview, state=previews.state_of(preview), states=PreviewState,
        changes=[change.words for change in changes(current, proposed)], result=result, form=form,
        sections=sections(result) if result else [], moves=moves(result) if result else [], may_change=may_change(),
        as_of=date.fromisoformat(result["as_of"]) if result else None,
        outdated=bool(result) and result["current_version"] != current.version,
    )  # fmt: skip


def sections(result: Mapping[str, Any]) -> list[Section]:
    """Both plans side by side: of everybody, then of each priority that is large enough to be told."""
    now, then = ({**result[side], **told_group(result[side], least_told())} for side in ("current", "proposed"))
    found = [Section("Everybody", [*_pairs(now, then), *_offered(now, then)])]
    for name, title in GROUPS:
        one, other = (side["by_priority"].get(name) for side in (now, then))
        if one and other and one["referrals"] is not None:
            found.append(Section(title, _pairs(one, other)))
    return found


def _pairs(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[Pair]:
    return [
        _count("Patients waiting", now["referrals"], then["referrals"], 0),
        _count("Given a time", now["placed"], then["placed"], 1),
        _count("Targets missed", now["breaches"], then["breaches"], -1),
        _pair("Mean wait, days", _of(now, "wait", "mean"), _of(then, "wait", "mean"), -1),
        _pair("95 of 100 wait no longer than, days", _of(now, "wait", "p95"), _of(then, "wait", "p95"), -1),
    ]


def _offered(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[Pair]:
    return [
        _count("Asked at once", now["asked"], then["asked"], 0),
        _count("Offers made", now["offers"], then["offers"], 0),
        _pair("Places kept for urgent arrivals", now["reserved"], then["reserved"], 0),
    ]


def _of(side: Mapping[str, Any], group: str, name: str) -> float | None:
    value = (side.get(group) or {}).get(name)
    return None if value is None else float(value)


def _count(name: str, now: int | None, then: int | None, better: int) -> Pair:
    """Of counts as they are told: one that is not is neither better nor worse."""
    found = _pair(name, now, then, better)
    return replace(found, now=shown_count(now), then=shown_count(then))


def _pair(name: str, now: float | None, then: float | None, better: int) -> Pair:
    one, other = (_said(value) for value in (now, then))
    if now is None or then is None or not better:
        return Pair(name, one, other, "")
    if one == other:
        return Pair(name, one, other, "same")
    return Pair(name, one, other, "better" if (then - now) * better > 0 else "worse")


def _said(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def moves(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """About how many would be seen earlier or later: everybody, then by priority."""
    table = result["moves"]
    sides = [table, *(table["by_priority"][name] for name, _ in GROUPS)]
    return [(words, [shown_count(told(side[name])) for side in sides]) for name, words in MOVES]
