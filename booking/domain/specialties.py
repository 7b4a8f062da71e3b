"""Treatment functions of the NHS data dictionary (TREATMENT FUNCTION CODE), those in waiting-time returns.

``X01`` is not in the dictionary: it is what the referral-to-treatment returns call all other functions.
"""

from __future__ import annotations

from collections.abc import Mapping

SPECIALTIES: Mapping[str, str] = {
    "100": "General Surgery",
    "101": "Urology",
    "110": "Trauma and Orthopaedics",
    "120": "Ear Nose and Throat",
    "130": "Ophthalmology",
    "140": "Oral Surgery",
    "150": "Neurosurgery",
    "160": "Plastic Surgery",
    "170": "Cardiothoracic Surgery",
    "300": "General Internal Medicine",
    "301": "Gastroenterology",
    "320": "Cardiology",
    "330": "Dermatology",
    "340": "Respiratory Medicine",
    "400": "Neurology",
    "410": "Rheumatology",
    "430": "Elderly Medicine",
    "502": "Gynaecology",
    "X01": "Other",
}
