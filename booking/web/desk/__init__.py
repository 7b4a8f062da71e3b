"""The provider's booking office: worklists, triage, finding times, cancelling clinics, and what services are like."""
