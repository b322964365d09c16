# SPDX-License-Identifier: Apache-2.0
"""The picture of --plot: CPU per query of each server, a panel for each work."""

import queries
import works

MINE, OTHERS = "#1b6ca8", "#b8b8b8"


def draw(results, path):
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise SystemExit("--plot needs matplotlib: apt install python3-matplotlib")
    shown = [name for name in works.BY_NAME if name in results]
    if not shown:
        raise SystemExit("--plot draws works with questions, and none was measured")
    figure, panels = pyplot.subplots(len(shown), 1, figsize=(8, 0.6 + 2.1 * len(shown)), squeeze=False)
    for name, panel in zip(shown, panels[:, 0]):
        result = results[name]
        servers = list(result)[::-1]
        values = [queries.cpu(result, server) for server in servers]
        bars = panel.barh(servers, values, color=[MINE if server == "binnacle" else OTHERS for server in servers])
        panel.bar_label(bars, labels=["%.1f" % value for value in values], padding=3, fontsize=8)
        panel.set_title("%s: CPU per query, us" % works.BY_NAME[name].what, fontsize=9, loc="left")
        panel.tick_params(labelsize=8)
        panel.margins(x=0.12)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    print("drawn: " + path)
