"""The four shapes a metric has, each with its name, what it means, and its labels."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from ordod.core.histogram import Histogram

__all__ = ["counter", "gauge", "histogram", "one", "total"]

Rows = Iterable[tuple[tuple[str, ...], float | None]]


def gauge(name: str, about: str, labels: tuple[str, ...], rows: Rows) -> GaugeMetricFamily:
    """`rows`: the labels' values and the figure; None: not known, so not told."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, figure in rows:
        if figure is not None:
            family.add_metric(values, figure)
    return family


def counter(name: str, about: str, labels: tuple[str, ...], rows: Rows) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=labels)
    for values, figure in rows:
        if figure is not None:
            family.add_metric(values, figure)
    return family


def one(name: str, about: str, figure: float | None) -> GaugeMetricFamily:
    return gauge(name, about, (), [((), figure)])


def total(name: str, about: str, figure: float) -> CounterMetricFamily:
    return counter(name, about, (), [((), figure)])


def histogram(
    name: str,
    about: str,
    labels: tuple[str, ...],
    rows: Iterable[tuple[tuple[str, ...], Histogram]],
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, taken in rows:
        family.add_metric(values, list(_buckets(taken)), taken.sum)
    return family


def _buckets(taken: Histogram) -> Iterator[tuple[str, float]]:
    within = 0
    for bound, count in zip((*map(str, taken.bounds), "+Inf"), taken.counts, strict=True):
        within += count
        yield bound, within
