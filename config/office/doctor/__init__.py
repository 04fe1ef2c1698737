"""What is wrong with this installation, in words, and what to do about it (ACCEPTANCE A63-A66).

Each part looks at one dependency with short time limits, changes nothing, and goes on where another part found trouble.
"""

from config.office.doctor.examination import examine
from config.office.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine"]
