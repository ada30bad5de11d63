"""Choose what is shipped, and write its packages with what they reached: `evaluate.py ship`.

Reads   models/variants, metrics/convert, metrics/measure, metrics/float32.json, data
Params  exports, ship
Writes  models/coreml, metrics/ship.json, metrics/variants.json, plots/variants.csv
Takes   some seconds; the packages name the commit that is checked out while it runs
"""

from meishi import paths, reporting, shipping
from meishi.files.atomic import replace_folder
from meishi.params import load_params


def run() -> None:
    """Run the step."""
    params = load_params("exports", "ship")
    original = reporting.read_metrics(paths.METRICS / "float32.json")
    table = shipping.read_table(params.exports, original)
    measured = {name: shipping.read_measured(name) for name in params.exports}
    decision = shipping.decide(params.exports, table, measured, original, params.ship)
    with replace_folder(paths.COREML) as folder:
        shipped = shipping.write_packages(decision, table, folder)
    reporting.write_metrics(paths.METRICS / "variants.json", table)
    reporting.write_csv(paths.PLOTS / "variants.csv", shipping.plot_rows(table))
    reporting.write_metrics(paths.METRICS / "ship.json", {**shipped, "refused": decision.refused})
