"""An appointment as an iCalendar entry (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event

from booking.models import Booking


def appointment(booked: Booking, now: datetime) -> bytes:
    """One event, with an alarm the day before. Says nothing of why the patient comes.

    Its times are instants (UTC): a time in the site's zone can't say which of the two is meant in the hour that comes
    twice, and is read as the first.
    """
    slot = booked.slot
    event = Event()
    event.add("uid", f"{booked.reference}@choose-and-book")
    event.add("dtstamp", now)
    event.add("dtstart", slot.starts_at.astimezone(UTC))
    event.add("dtend", slot.ends_at.astimezone(UTC))
    event.add("summary", f"Appointment at {slot.site.name}")
    where = ", ".join(part for part in (slot.site.name, slot.site.address, slot.site.postcode) if part)
    event.add("location", where)
    event.add("description", f"Booking {booked.reference}. Bring your letter.")
    event.add("status", "CONFIRMED")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", "Hospital appointment tomorrow")
    alarm.add("trigger", timedelta(days=-1))
    event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//choose-and-book//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
