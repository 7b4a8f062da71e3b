"""A region to try things out in: Ambervale, its clinics and its people are invented. Filled by ``flask demo seed``."""
