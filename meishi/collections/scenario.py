"""What happens in a simulation, and who should run what then.

The expectation is worked out from the list of what was published, not by asking the client's rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meishi.collections.layout import RELEASE, STAGING
from meishi.collections.selection import bucket
from meishi.collections.simulated import (
    EMBEDDED,
    MODEL,
    collection_of,
    device_id,
    fails_in_use,
    has_wrong_clock,
)


@dataclass(frozen=True)
class Published:
    """One version in one collection.

    Attributes:
        version: three numbers.
        kind: good, bad or flaky.
        rollout: percent.
        withdrawn: whether it was taken back.
    """

    version: str
    kind: str
    rollout: int
    withdrawn: bool = False


@dataclass(frozen=True)
class Step:
    """Something that the publisher does.

    Attributes:
        name: for people.
        action: publish, promote, halt, withdraw or rotate.
        version: that it is about; "" for rotate.
        kind: of a version that is published.
        rollout: percent, of a promotion.
        collection: of a withdrawal.
    """

    name: str
    action: str
    version: str = ""
    kind: str = "good"
    rollout: int = 100
    collection: str = RELEASE


STEPS = (
    Step("1.0.0 to testers", "publish", "1.0.0"),
    Step("1.0.0 to everyone", "promote", "1.0.0"),
    Step("1.1.0 to testers", "publish", "1.1.0"),
    Step("1.1.0 to 10 %", "promote", "1.1.0", rollout=10),
    Step("1.1.0 to 50 %", "promote", "1.1.0", rollout=50),
    Step("1.1.0 to everyone", "promote", "1.1.0"),
    Step("1.2.0, which fails its trial, to testers", "publish", "1.2.0", "bad"),
    Step("1.2.0 to 25 % all the same", "promote", "1.2.0", rollout=25),
    Step("1.2.0 withdrawn", "withdraw", "1.2.0"),
    Step("1.3.0, which fails in use on some, to testers", "publish", "1.3.0", "flaky"),
    Step("1.3.0 to 20 %", "promote", "1.3.0", rollout=20),
    Step("1.3.0 halted", "halt", "1.3.0"),
    Step("1.3.0 rolled back", "withdraw", "1.3.0"),
    Step("1.3.0 rolled back for testers", "withdraw", "1.3.0", collection=STAGING),
    Step("timestamp's key changed", "rotate"),
    Step("1.4.0 to testers", "publish", "1.4.0"),
    Step("1.4.0 to everyone", "promote", "1.4.0"),
)
# Wrong clocks are right from this step on: until then such a device refuses everything.
CLOCKS_MENDED = 5


class Shelves:
    """What is published after each step."""

    def __init__(self) -> None:
        """Start with empty collections."""
        self.collections: dict[str, dict[str, Published]] = {STAGING: {}, RELEASE: {}}

    def take(self, step: Step) -> None:
        """Note what a step changes."""
        staging, release = self.collections[STAGING], self.collections[RELEASE]
        if step.action == "publish":
            staging[step.version] = Published(step.version, step.kind, 100)
        elif step.action == "promote":
            release[step.version] = replace(staging[step.version], rollout=step.rollout)
        elif step.action == "withdraw":
            shelf = self.collections[step.collection]
            shelf[step.version] = replace(shelf[step.version], withdrawn=True)

    def expected(self, number: int, clocks_mended: bool) -> str:
        """Return the version that a device should run.

        Halting changes nothing here: whoever was to get the version had it by then.
        """
        if has_wrong_clock(number) and not clocks_mended:
            return EMBEDDED
        return max(self._fitting(number), default=EMBEDDED)

    def _fitting(self, number: int) -> Iterator[str]:
        # Versions of the scenario have one digit a place: as text they sort as numbers do.
        for one in self.collections[collection_of(number)].values():
            drawn = bucket(MODEL, device_id(number), one.version)
            works = one.kind != "bad" and not fails_in_use(number, one.kind)
            if drawn < one.rollout and works and not one.withdrawn:
                yield one.version
