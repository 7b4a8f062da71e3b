"""Commissioning rules: which practices may use a service that is not open to everybody, from when and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import aliased, joinedload

from booking.domain.errors import Conflict, FieldError, Invalid, NotFound, StaleVersion
from booking.domain.ids import parse_ods_code
from booking.domain.referral import TERMINAL
from booking.domain.small_numbers import told
from booking.domain.words import OrganisationKind
from booking.models import CommissioningRule, Organisation, Referral, ReferralService, Service
from booking.services import audit
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class NewRule:
    service_id: int
    starts_on: date
    explanation: str
    ends_on: date | None = None
    organisation: str | None = None
    """ODS code of one practice; None is all practices of the commissioner."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule with what it is about."""

    rule: CommissioningRule
    service: Service
    organisation: Organisation
    open_referrals: int | None
    """Of its practices, that list the service: as counts are told in reports, None where they are too few."""


def list_rules(work: Work, *, ended: bool = False, service_id: int | None = None) -> list[Ruled]:
    """The rules of the actor's commissioner, by service and start; those that have ended only where ``ended``."""
    query = _own(work)
    if not ended:
        query = query.where(or_(CommissioningRule.ends_on.is_(None), CommissioningRule.ends_on >= work.today))
    if service_id is not None:
        query = query.where(CommissioningRule.service_id == service_id)
    ordered = query.order_by(Service.name, CommissioningRule.starts_on, CommissioningRule.id)
    return [_ruled(work, rule, service, organisation) for rule, service, organisation in work.session.execute(ordered)]


PAGE = 25


@dataclass(frozen=True, slots=True)
class RulePage:
    rules: list[Ruled]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


def page_of_rules(work: Work, *, ended: bool = False, term: str = "", page: int = 1) -> RulePage:
    """Rules in force or to come, or those that have ended, by service; ``term`` is part of the service's name."""
    over = CommissioningRule.ends_on < work.today
    query = _own(work).where(over if ended else or_(CommissioningRule.ends_on.is_(None), ~over))
    if term:
        query = query.where(Service.name.icontains(term, autoescape=True))
    counted = query.with_only_columns(func.count(CommissioningRule.id), maintain_column_froms=True)
    total = work.session.scalar(counted) or 0
    page = min(max(page, 1), max(1, -(-total // PAGE)))
    ordered = query.order_by(Service.name, CommissioningRule.starts_on, CommissioningRule.id)
    rows = work.session.execute(ordered.limit(PAGE).offset((page - 1) * PAGE)).all()
    counts = _open_referrals(work, [rule.id for rule, _, _ in rows])
    least = work.config.small_numbers
    return RulePage([Ruled(*row, told(counts.get(row[0].id, 0), least)) for row in rows], total, page)


def _open_referrals(work: Work, rules: list[int]) -> dict[int, int]:
    """Of each rule: open referrals of its practices that list its service."""
    practice = aliased(Organisation)
    query = (
        select(CommissioningRule.id, func.count())
        .join(ReferralService, ReferralService.service_id == CommissioningRule.service_id)
        .join(Referral, Referral.id == ReferralService.referral_id)
        .join(practice, practice.id == Referral.practice_id)
        .where(
            CommissioningRule.id.in_(rules),
            Referral.state.not_in(TERMINAL),
            or_(
                practice.id == CommissioningRule.organisation_id,
                practice.commissioner_id == CommissioningRule.organisation_id,
            ),
        )
        .group_by(CommissioningRule.id)
    )
    return {row[0]: row[1] for row in work.session.execute(query)}


def own_rule(work: Work, rule_id: int, *, version: int | None = None, lock: bool = False) -> Ruled:
    """A rule of the actor's commissioner; :class:`StaleVersion` where ``version`` is not the current one."""
    query = _own(work).where(CommissioningRule.id == rule_id)
    if lock:
        query = query.with_for_update(of=CommissioningRule)
    row = work.session.execute(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFound("There is no such rule, or it is not yours.")
    if version is not None and row[0].version != version:
        raise StaleVersion("The rule has changed since you read it. Read it again and repeat.")
    return _ruled(work, *row)


def create_rule(work: Work, new: NewRule) -> Ruled:
    """Open a service to the commissioner's practices, or to one of them."""
    faults: list[FieldError] = []
    if work.session.get(Service, new.service_id) is None:
        faults.append(FieldError("service_id", "SERVICE_UNKNOWN", f"There is no service {new.service_id}."))
    organisation = _subject(work, new.organisation)
    if organisation is None:
        words = "Not one of your practices."
        faults.append(FieldError("organisation", "NOT_YOUR_PRACTICE", words))
    if new.starts_on < work.today:
        faults.append(FieldError("starts_on", "DATES", "A rule can't begin in the past."))
    if new.ends_on is not None and new.ends_on < new.starts_on:
        faults.append(FieldError("ends_on", "DATES", "Before the first day."))
    if faults or organisation is None:
        raise Invalid(*faults)
    _lock(work)
    made = CommissioningRule(
        service_id=new.service_id, organisation_id=organisation.id, starts_on=new.starts_on, ends_on=new.ends_on,
        explanation=new.explanation.strip(),
    )  # fmt: skip
    _refuse_overlap(work, made)
    work.session.add(made)
    work.session.flush()
    audit.record(work, f"commissioning-rule:{made.id}", "commissioning_rule.create", after=plain(made))
    work.session.flush()
    return own_rule(work, made.id)


def change_rule(
    work: Work,
    rule_id: int,
    *,
    version: int | None,
    starts_on: date | None = None,
    explanation: str | None = None,
    ends_on: date | None = None,
    for_ever: bool = False,
) -> Ruled:
    """Other dates or another explanation; ``for_ever`` takes the last day away. Referrals already made stay."""
    _lock(work)
    rule = own_rule(work, rule_id, version=version, lock=True).rule
    before = plain(rule)
    if starts_on is not None and starts_on != rule.starts_on:
        if rule.starts_on <= work.today:
            raise Invalid.field("starts_on", "DATES", "The rule has begun already.")
        if starts_on < work.today:
            raise Invalid.field("starts_on", "DATES", "A rule can't begin in the past.")
        rule.starts_on = starts_on
    if ends_on is not None and ends_on < work.today:
        raise Invalid.field("ends_on", "DATES", "A rule can't end in the past.")
    if rule.ends_on is not None and rule.ends_on < work.today:
        raise Conflict("The rule has ended. Make a new one.", code="RULE_ENDED")
    rule.ends_on = None if for_ever else ends_on or rule.ends_on
    if rule.ends_on is not None and rule.ends_on < rule.starts_on:
        raise Invalid.field("ends_on", "DATES", "Before the first day.")
    rule.explanation = explanation.strip() if explanation is not None else rule.explanation
    with work.session.no_autoflush:
        _refuse_overlap(work, rule)
    return _changed(work, rule, before, "commissioning_rule.change")


def end_rule(work: Work, rule_id: int, last_day: date, *, explanation: str, version: int | None) -> Ruled:
    """Let the rule end after ``last_day``: no new referrals by it. Referrals that list the service keep it."""
    rule = own_rule(work, rule_id, version=version, lock=True).rule
    if last_day < max(work.today, rule.starts_on):
        raise Invalid.field("last_day", "DATES", "A rule ends today or later, and not before it begins.")
    if rule.ends_on is not None and rule.ends_on < last_day:
        raise Conflict("The rule ends before that day already.", code="RULE_ENDED")
    before = plain(rule)
    rule.ends_on, rule.explanation = last_day, explanation.strip()
    return _changed(work, rule, before, "commissioning_rule.end")


def services_to_rule(work: Work, *, term: str | None, specialty: str | None, limit: int) -> list[Service]:
    """Services that are open only by rules: what a commissioner can open to its practices, by name."""
    query = (
        select(Service)
        .where(~Service.nationally_visible, or_(Service.operational_to.is_(None), Service.operational_to >= work.today))
        .options(joinedload(Service.organisation), joinedload(Service.site))
    )
    if specialty is not None:
        query = query.where(Service.specialty_code == specialty)
    if term is not None:
        query = query.where(Service.name.icontains(term.strip(), autoescape=True))
    return list(work.session.scalars(query.order_by(Service.name, Service.id).limit(limit)))


def service_to_rule(work: Work, service_id: int | None) -> Service:
    """One of those services; :class:`NotFound` for one that is open to everybody, or that there is not."""
    query = select(Service).where(Service.id == service_id, ~Service.nationally_visible)
    found = work.session.scalars(query.options(joinedload(Service.organisation), joinedload(Service.site))).first()
    if found is None:
        raise NotFound("There is no such service to open.")
    return found


def plain(rule: CommissioningRule) -> dict[str, Any]:
    """The rule ready for JSON."""
    return {
        "service_id": rule.service_id,
        "organisation_id": rule.organisation_id,
        "starts_on": rule.starts_on.isoformat(),
        "ends_on": rule.ends_on.isoformat() if rule.ends_on else None,
        "explanation": rule.explanation,
    }


def _changed(work: Work, rule: CommissioningRule, before: dict[str, Any], action: str) -> Ruled:
    after = plain(rule)
    if after != before:
        rule.version += 1
        audit.record(work, f"commissioning-rule:{rule.id}", action, before=before, after=after)
    work.session.flush()
    return own_rule(work, rule.id)


def _practices(work: Work) -> Select[int]:
    """SQL: keys of the commissioner itself and of its practices."""
    own = work.actor.organisation_id
    theirs = (Organisation.commissioner_id == own) & (Organisation.kind == OrganisationKind.PRACTICE)
    return select(Organisation.id).where(or_(Organisation.id == own, theirs))


def _own(work: Work) -> Select[CommissioningRule, Service, Organisation]:
    return (
        select(CommissioningRule, Service, Organisation)
        .join(Service, Service.id == CommissioningRule.service_id)
        .join(Organisation, Organisation.id == CommissioningRule.organisation_id)
        .where(CommissioningRule.organisation_id.in_(_practices(work)))
        .options(joinedload(Service.organisation), joinedload(Service.site))
    )


def _subject(work: Work, code: str | None) -> Organisation | None:
    query = select(Organisation).where(Organisation.id.in_(_practices(work)))
    if code is None:
        return work.session.scalars(query.where(Organisation.id == work.actor.organisation_id)).first()
    return work.session.scalars(
        query.where(Organisation.ods_code == parse_ods_code(code, field="organisation"))
    ).first()


def _lock(work: Work) -> None:
    """One change of a commissioner's rules at a time, so that two can't open the same service twice."""
    own = select(Organisation.id).where(Organisation.id == work.actor.organisation_id)
    work.session.execute(own.with_for_update(of=Organisation, key_share=True))


def _refuse_overlap(work: Work, rule: CommissioningRule) -> None:
    other = CommissioningRule
    query = select(other.id).where(
        other.service_id == rule.service_id, other.organisation_id == rule.organisation_id,
        other.id != (rule.id or 0), or_(other.ends_on.is_(None), other.ends_on >= rule.starts_on),
    )  # fmt: skip
    if rule.ends_on is not None:
        query = query.where(other.starts_on <= rule.ends_on)
    if work.session.scalar(query.limit(1)) is not None:
        raise Conflict("A rule for the same practices and the same service covers part of that time.", code="OVERLAPS")


def _ruled(work: Work, rule: CommissioningRule, service: Service, organisation: Organisation) -> Ruled:
    practices = select(Organisation.id).where(
        or_(Organisation.id == rule.organisation_id, Organisation.commissioner_id == rule.organisation_id)
    )
    count = (
        select(func.count())
        .select_from(ReferralService)
        .join(Referral, Referral.id == ReferralService.referral_id)
        .where(
            ReferralService.service_id == rule.service_id,
            Referral.state.not_in(TERMINAL),
            Referral.practice_id.in_(practices),
        )
    )
    return Ruled(rule, service, organisation, told(work.session.scalar(count) or 0, work.config.small_numbers))
