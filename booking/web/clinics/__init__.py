"""The provider's clinics: the calendar, publishing times, the clinic list, attendance."""
