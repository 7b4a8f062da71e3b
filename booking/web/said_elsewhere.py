"""Sentences that patients read and that stand elsewhere, marked here for the catalogue of pages.

Services and the edge refuse in English; a page looks the sentence up with ``spoken.gettext`` or the filter ``spoken``.
``tests/web/me/test_welsh.py`` finds each of these where it is said, so that none is left over here.
"""

from __future__ import annotations

from booking.languages import _

SAID = (
    _("Those details don't match a referral we hold. Check the reference, the access code and the date of birth."),
    _("Too many attempts from here. Please wait a few minutes and try again."),
    _("This sign-in was not begun in this browser, took too long, or was used before. Please start again."),
    _("The answer we got could not be trusted, so you are not signed in. Please start again."),
    _("The sign-in service does not answer at the moment. Please try again in a few minutes."),
    _("You are not signed in, because the sign-in was stopped before it was complete."),
    _("To see your referrals you must have proved who you are with photo identification."),
    _("There is no referral of yours here at the moment. If you expect one, ask your GP practice."),
    _("There is no such referral, or it is not yours."),
    _("There is no record of yours."),
    _("There is no such session, or it is not yours."),
    _("There is no such time, or it was not kept for you."),
    _("You have no appointment at the moment."),
    _("Your role does not allow this."),
    _("We did not understand which time you chose. Go back."),
    _("There is no such page."), _("What you sent is too large."),
    _("Something went wrong on our side. Nothing was changed."),
    _("The form was open too long. Go back, reload the page and send it again."),
    _("This page belonged to another sign-in. Nothing was sent."),
    _("We are keeping this time for you."),
    _("This is the earliest time at the clinics your GP chose."),
    _("It is {n} miles from you, the nearest of these clinics."),
    _("It is {n} miles from you."),
    _("It is 1 day before your target date."),
    _("It is {n} days before your target date."),
    _("It is on your target date."),
    _("It is 1 day after your target date: no earlier time was free for you."),
    _("It is {n} days after your target date: no earlier time was free for you."),
    _("Your choices"), _("About you"), _("Your referrals"),
)  # fmt: skip
