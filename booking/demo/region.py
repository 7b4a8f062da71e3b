"""What there is in Ambervale: organisations, sites on a map, services and when their clinics run. All invented.

Codes begin with ZZ and postcodes with AV, which no real organisation and no real place has.
"""

from __future__ import annotations

from dataclasses import dataclass

from booking.domain.words import ConsultationMode, Priority, Sex

REGION = "Ambervale"
COMMISSIONER = ("ZZC01", "Ambervale Health Board", "AV1 1AB", 54.052, -2.801)

PRACTICES = (
    ("ZZP01", "Millbrook Surgery", "AV2 3HD", 54.078, -2.871),
    ("ZZP02", "Hilltop Practice", "AV5 6QT", 54.131, -2.712),
    ("ZZP03", "Lantern Street Medical Centre", "AV1 2CL", 54.047, -2.795),
    ("ZZP04", "The Weir Practice", "AV7 1WE", 53.968, -2.843),
    ("ZZP05", "Fernside Health Centre", "AV9 4FN", 53.942, -2.668),
    ("ZZP06", "Quayside Doctors", "AV3 8QY", 54.021, -2.918),
)

PROVIDERS = (
    ("ZZH01", "Ambervale Hospitals"),
    ("ZZH02", "Weirside Hospital Group"),
    ("ZZH03", "Northmoor Community Clinics"),
    ("ZZH04", "Harbour Eye and Skin Centre"),
    ("ZZH05", "Fernside Orthopaedic Hospital"),
)

# code, provider, name, address, postcode, latitude, longitude, step-free
SITES = (
    ("ZZH0101", "ZZH01", "Ambervale General Hospital", "Castle Road, Ambervale", "AV1 4RN", 54.056, -2.784, True),
    ("ZZH0102", "ZZH01", "St Oswin’s Outpatient Centre", "12 Mill Lane, Ambervale", "AV2 1ML", 54.071, -2.842, True),
    ("ZZH0201", "ZZH02", "Weirside Hospital", "Weir Bank, Weirside", "AV7 2WB", 53.961, -2.831, True),
    ("ZZH0301", "ZZH03", "Northmoor Clinic", "3 Church Street, Northmoor", "AV5 1CS", 54.139, -2.705, False),
    ("ZZH0401", "ZZH04", "Harbour Centre", "Old Customs House, Harbour Parade", "AV3 9HP", 54.018, -2.909, True),
    ("ZZH0501", "ZZH05", "Fernside Orthopaedic Hospital", "Fern Road, Fernside", "AV9 2FR", 53.947, -2.659, True),
)

SPECIALTIES = {
    "330": "Dermatology",
    "320": "Cardiology",
    "110": "Trauma and orthopaedics",
    "130": "Ophthalmology",
    "301": "Gastroenterology",
}

CLINIC_TYPES = {
    "330-SKIN": ("330", "Skin lesions and moles"),
    "330-RASH": ("330", "Eczema, psoriasis and rashes"),
    "320-RHYTHM": ("320", "Palpitations and rhythm"),
    "320-PAIN": ("320", "Chest pain"),
    "110-HIPKNEE": ("110", "Hip and knee"),
    "110-HAND": ("110", "Hand and wrist"),
    "130-CATARACT": ("130", "Cataract"),
    "130-GLAUCOMA": ("130", "Glaucoma"),
    "130-CHILD": ("130", "Children’s eyes and squint"),
    "301-LOWER": ("301", "Lower bowel"),
    "301-UPPER": ("301", "Swallowing and stomach"),
}

LETTER = (
    "Symptoms for {weeks} weeks, not settling with what we tried here. No red flags. Usual medicines unchanged; no "
    "known allergies. Thank you for seeing this patient."
)
CONDITIONS = {
    "330-SKIN": ("A mole that has changed", "A sore patch that does not heal", "A new dark spot on the back"),
    "330-RASH": ("Eczema that creams don’t help", "Psoriasis of elbows and scalp", "An itching rash for months"),
    "320-RHYTHM": ("Palpitations most days", "An irregular pulse found at a check"),
    "320-PAIN": ("Chest tightness on stairs", "Chest pain on effort, settles at rest"),
    "110-HIPKNEE": ("A painful knee that gives way", "Hip pain that wakes at night"),
    "110-HAND": ("Numb fingers at night", "A thumb that locks"),
    "130-CATARACT": ("Cloudy sight in both eyes", "Glare when driving at night"),
    "130-GLAUCOMA": ("Raised eye pressure at the optician’s", "Narrowing side vision"),
    "130-CHILD": ("A squint noticed by the parents", "A child who reads with one eye closed"),
    "301-LOWER": ("A change of bowel habit", "Bleeding and tiredness"),
    "301-UPPER": ("Trouble swallowing", "Heartburn despite tablets"),
}

MON, TUE, WED, THU, FRI = range(5)
IN_PERSON, VIDEO = ConsultationMode.IN_PERSON, ConsultationMode.VIDEO
WINDOWS = {Priority.ROUTINE: (3, 182), Priority.URGENT: (1, 60), Priority.TWO_WEEK_WAIT: (0, 14)}


@dataclass(frozen=True, slots=True)
class Session:
    """A clinic that runs every week: some slots one after another with one clinician."""

    weekday: int
    start: str
    slots: int
    practitioner: int
    mode: ConsultationMode = IN_PERSON


@dataclass(frozen=True, slots=True)
class DemoService:
    key: str
    site: str
    name: str
    clinic_types: tuple[str, ...]
    minutes: int
    wait_days: int
    sessions: tuple[Session, ...]
    practitioners: tuple[tuple[str, Sex], ...]
    priorities: tuple[Priority, ...] = tuple(Priority)
    min_age: int = 16
    max_age: int = 150
    interpreters: bool = True
    nationally_visible: bool = True
    instructions: str = ""


F, M = Sex.FEMALE, Sex.MALE
ROUTINE_ONLY = (Priority.ROUTINE,)
NOTHING_YET = "swallow-northmoor"
"""A new service that has published no slots: what a patient sees where there is no free time."""

SERVICES = (
    DemoService(
        "skin-general", "ZZH0101", "Skin clinic", ("330-SKIN", "330-RASH"), 20, 58,
        (Session(MON, "09:00", 4, 0), Session(THU, "13:30", 4, 1)),
        (("Dr Perpetua Lindqvist", F), ("Dr Idris Fairweather", M)), min_age=0,
        instructions="Please come without make-up on the skin to be looked at.",
    ),
    DemoService(
        "skin-harbour", "ZZH0401", "Skin lesion clinic", ("330-SKIN",), 15, 35, (Session(TUE, "17:30", 4, 0),),
        (("Dr Noor Castellane", F),), min_age=0, interpreters=False,
    ),
    DemoService(
        "rash-northmoor", "ZZH0301", "Community skin clinic", ("330-RASH",), 20, 40, (Session(WED, "09:30", 4, 0),),
        (("Nurse Consultant Bram Okonjo", M),), ROUTINE_ONLY, min_age=0, nationally_visible=False,
    ),
    DemoService(
        "heart-general", "ZZH0101", "Heart clinic", ("320-RHYTHM", "320-PAIN"), 30, 49,
        (Session(TUE, "09:00", 6, 0), Session(FRI, "09:00", 4, 1)),
        (("Dr Augustin Vale", M), ("Dr Shirin Holloway", F)),
        instructions="You may have a heart tracing. Wear a top that opens at the front.",
    ),
    DemoService(
        "heart-weirside", "ZZH0201", "Rapid chest pain clinic", ("320-PAIN",), 30, 20, (Session(WED, "13:00", 4, 0),),
        (("Dr Mabel Achterberg", F),),
    ),
    DemoService(
        "knee-fernside", "ZZH0501", "Hip and knee clinic", ("110-HIPKNEE",), 20, 70,
        (Session(MON, "13:00", 5, 0), Session(WED, "09:00", 5, 1)),
        (("Mr Caspian Thorne", M), ("Miss Eunice Abara", F)), (*ROUTINE_ONLY, Priority.URGENT),
        instructions="Bring shorts. If you use a stick or frame, bring it too.",
    ),
    DemoService(
        "bones-weirside", "ZZH0201", "Orthopaedic clinic", ("110-HIPKNEE", "110-HAND"), 20, 63,
        (Session(TUE, "13:30", 5, 0), Session(THU, "09:00", 5, 0)), (("Mr Lorcan Whitlock", M),),
    ),
    DemoService(
        "hand-oswin", "ZZH0102", "Hand clinic", ("110-HAND",), 20, 44,
        (Session(FRI, "13:30", 4, 0), Session(THU, "17:30", 3, 0, VIDEO)), (("Miss Delphine Rooke", F),),
    ),
    DemoService(
        "cataract-harbour", "ZZH0401", "Cataract clinic", ("130-CATARACT",), 20, 56,
        (Session(MON, "09:00", 5, 0), Session(THU, "09:00", 5, 0)), (("Mr Silas Montrose", M),),
        (*ROUTINE_ONLY, Priority.URGENT), interpreters=False,
        instructions="You will have eye drops: please don’t drive yourself home.",
    ),
    DemoService(
        "eyes-oswin", "ZZH0102", "Eye clinic", ("130-CATARACT", "130-GLAUCOMA", "130-CHILD"), 20, 66,
        (Session(TUE, "09:00", 5, 0), Session(WED, "13:30", 4, 1)),
        (("Dr Wilhelmina Sato", F), ("Dr Gethin Marlowe", M)), min_age=0,
    ),
    DemoService(
        "bowel-general", "ZZH0101", "Digestive clinic", ("301-LOWER", "301-UPPER"), 20, 52,
        (Session(WED, "09:00", 5, 0), Session(FRI, "13:00", 4, 1)),
        (("Dr Cosima Underhill", F), ("Dr Rafe Delacroix", M)),
    ),
    DemoService(
        "bowel-weirside", "ZZH0201", "Bowel clinic", ("301-LOWER",), 20, 30, (Session(MON, "09:30", 5, 0),),
        (("Dr Thora Quill", F),),
    ),
    DemoService(
        NOTHING_YET, "ZZH0301", "Swallowing clinic", ("301-UPPER",), 30, 25, (),
        (("Dr Emrys Pell", M),), ROUTINE_ONLY,
    ),
)  # fmt: skip

# How often each kind of clinic is needed.
DEMAND = {
    "330-SKIN": 15, "330-RASH": 13, "320-RHYTHM": 8, "320-PAIN": 7, "110-HIPKNEE": 16, "110-HAND": 9,
    "130-CATARACT": 11, "130-GLAUCOMA": 4, "130-CHILD": 3, "301-LOWER": 9, "301-UPPER": 5,
}  # fmt: skip
