"""Shows where the time of a request goes, and what the service imports at its start."""

from statistics import median

from bench import inside, startup
from bench.contest import OPERATIONS, READ, Contest
from bench.programs import APPLICATION, RAW
from bench.report import Grid, Rounds

MOST_PACKAGES = 12


def layers(contest: Contest, rounds: Rounds) -> Grid:
    """Split the CPU time of a read: server, each layer, and the rest."""
    name = next(name for name, each in OPERATIONS.items() if each is READ)
    served = median(each.cpu for each in rounds[name][APPLICATION])
    costs = inside.measure(contest.environment, contest.directory, "operations")[name]
    added = inside.measure(contest.environment, contest.directory, "layers")["layers"]
    within = costs[APPLICATION] - sum(added.values())
    parts = {
        "server, sockets, waiting (the difference)": served - costs[APPLICATION],
        **{layer.removesuffix("Middleware"): cost for layer, cost in added.items()},
        "route, service, reading the row, JSON": within,
        "of which the raw program needs": costs[RAW],
    }
    rows = [(part, f"{cost:,.1f}") for part, cost in parts.items()]
    title = f"How {READ.title} spends its {served:,.0f} µs of CPU"
    return Grid(title, ("part", "µs"), rows)


def imported(contest: Contest) -> Grid:
    """List the packages that take the longest to import."""
    found = startup.imports(contest.directory, contest.environment)
    longest = found.microseconds.most_common(MOST_PACKAGES)
    rows = [
        (f"`{package}`", str(found.modules[package]), f"{microseconds / 1e3:.0f}")
        for package, microseconds in longest
    ]
    modules, time = found.modules.total(), found.microseconds.total() / 1e3
    total = ("all installed packages", str(modules), f"{time:.0f}")
    title = "Imports of the serving process, by `python -X importtime`"
    return Grid(title, ("package", "modules", "ms"), [*rows, total])
