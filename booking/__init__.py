"""Choose and book: referrals, offers, bookings. See README.md for the map of the house."""
