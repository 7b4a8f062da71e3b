"""A rolling simulation of a region, day by day: the same people and clinics under one way to book after the other.

>>> results = run_all(Settings(days=100), seeds=[1, 2, 3], policies=["ring-fenced", "ours-three"])  # doctest: +SKIP
>>> print(text_report(results))                                                                     # doctest: +SKIP
"""

from optimiser.simulation.figures import Figures
from optimiser.simulation.intervals import Interval, interval, paired
from optimiser.simulation.report import text_report
from optimiser.simulation.run import EXPLAINED, POLICIES, Results, run_all, simulate
from optimiser.simulation.settings import Behaviour, Settings, SettingsError
from optimiser.simulation.svg import plots

__all__ = [
    "EXPLAINED",
    "POLICIES",
    "Behaviour",
    "Figures",
    "Interval",
    "Results",
    "Settings",
    "SettingsError",
    "interval",
    "paired",
    "plots",
    "run_all",
    "simulate",
    "text_report",
]
