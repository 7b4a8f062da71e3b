"""Reports without identities, for commissioners and their analysts: added up by the database.

Every report returns raw rows; :func:`booking.services.reports.publish.run` alone lets them out, protected.
"""
