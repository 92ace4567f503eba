"""LGTM health: do Mimir, Loki, Tempo, Pyroscope and Grafana take, keep and answer."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, Target, bad_above, bad_below, graph, make, number

E = 'env=~"$env"'
SERVERS = f'{E}, job=~"mimir|loki|tempo|pyroscope|grafana"'
# What the request histogram of each server is called.
_REQUESTS = {
    "mimir": "cortex_request_duration_seconds",
    "loki": "loki_request_duration_seconds",
    "tempo": "tempo_request_duration_seconds",
    "pyroscope": "pyroscope_request_duration_seconds",
}


def build() -> model.Dashboard:
    return make(
        "lgtm",
        "Observability stack",
        "Mimir, Loki, Tempo, Pyroscope and Grafana: what they take, refuse, keep and answer.",
        (
            "Now",
            [
                number("Servers down", "none", "Servers that do not answer.", Target(f"sum(up{{{SERVERS}}} == bool 0)"), bad_above(None, 1)),
                number(
                    "Samples refused", "cps", "By Mimir, a second.",
                    Target(f"sum(rate(cortex_discarded_samples_total{{{E}}}[$__rate_interval])) or 0 * sum(cortex_ingester_memory_series{{{E}}})"),
                    bad_above(1, 100), decimals=1,
                ),
                number(
                    "Last block in the bucket", "s", "Age of the last upload: above three hours the blocks pile up on the task.",
                    Target(f"time() - max(cortex_ingester_shipper_last_successful_upload_timestamp_seconds{{{E}}} > 0)"),
                    bad_above(10_800, 21_600),
                ),
                number(
                    "Rules that failed", "none", "Of Mimir's and Loki's rulers, in the time shown.",
                    Target(f"sum(increase(cortex_prometheus_rule_evaluation_failures_total{{{E}}}[$__range]))"), bad_above(None, 1), decimals=0,
                ),
                number(
                    "Alerts that did not get out", "none", "In the time shown.",
                    Target(f"sum(increase(cortex_prometheus_notifications_dropped_total{{{E}}}[$__range]))"), bad_above(None, 1), decimals=0,
                ),
                number("People", "none", "Who used Grafana lately.", Target(f"max(grafana_stat_active_users{{{E}}})"), bad_below(0)),
            ],
        ),
        (
            "Answers",
            [
                graph(
                    "Requests", "reqps", "By server.",
                    *(Target(f"sum(rate({name}_count{{{E}}}[$__rate_interval]))", server) for server, name in _REQUESTS.items()),
                    Target(f"sum(rate(grafana_http_request_duration_seconds_count{{{E}}}[$__rate_interval]))", "grafana"),
                ),
                graph(
                    "Errors of the servers", "reqps", "Answers of 500 and above.",
                    *(
                        Target(f'sum(rate({name}_count{{{E}, status_code=~"5.."}}[$__rate_interval]))', server)
                        for server, name in _REQUESTS.items()
                    ),
                    Target(f'sum(rate(grafana_http_request_duration_seconds_count{{{E}, status_code=~"5.."}}[$__rate_interval]))', "grafana"),
                    limits=bad_above(0.1, 1),
                ),
                graph(
                    "Time of requests, 99th percentile", "s", "By server.",
                    *(
                        Target(
                            f"histogram_quantile(0.99, sum by (le) (rate({name}_bucket{{{E}}}[$__rate_interval])))", server
                        )
                        for server, name in _REQUESTS.items()
                    ),
                    limits=bad_above(2, 10),
                ),
            ],
        ),
        (
            "Taken and refused",
            [
                graph(
                    "Samples", "cps", "Mimir: taken, and refused by reason.",
                    Target(f"sum(rate(cortex_distributor_received_samples_total{{{E}}}[$__rate_interval]))", "taken"),
                    Target(f"sum by (reason) (rate(cortex_discarded_samples_total{{{E}}}[$__rate_interval]))", "refused: {{reason}}"),
                ),
                graph(
                    "Log lines", "cps", "Loki: taken, and refused by reason.",
                    Target(f"sum(rate(loki_distributor_lines_received_total{{{E}}}[$__rate_interval]))", "taken"),
                    Target(f"sum by (reason) (rate(loki_discarded_samples_total{{{E}}}[$__rate_interval]))", "refused: {{reason}}"),
                ),
                graph(
                    "Spans", "cps", "Tempo: taken, and refused by reason.",
                    Target(f"sum(rate(tempo_distributor_spans_received_total{{{E}}}[$__rate_interval]))", "taken"),
                    Target(f"sum by (reason) (rate(tempo_discarded_spans_total{{{E}}}[$__rate_interval]))", "refused: {{reason}}"),
                ),
                graph(
                    "Profiles", "Bps", "Pyroscope: bytes taken; profiles refused by reason.",
                    Target(f"sum(rate(pyroscope_distributor_received_decompressed_bytes_sum{{{E}}}[$__rate_interval]))", "taken"),
                    Target(f"sum by (reason) (rate(pyroscope_discarded_samples_total{{{E}}}[$__rate_interval]))", "refused: {{reason}}"),
                ),
                graph(
                    "Series and streams in memory", "short", "What grows when a label gets too many values.",
                    Target(f"sum(cortex_ingester_memory_series{{{E}}})", "series"), Target(f"sum(loki_ingester_memory_streams{{{E}}})", "streams"),
                ),
                graph(
                    "Traces in memory", "short", "Tempo.", Target(f"sum(tempo_ingester_live_traces{{{E}}})", "traces"),
                ),
            ],
        ),
        (
            "Keeping",
            [
                graph(
                    "What could not be stored", "cps", "Failures to write blocks and chunks to the bucket or the disk.",
                    Target(f"sum(rate(cortex_ingester_tsdb_compactions_failed_total{{{E}}}[$__rate_interval]))", "mimir"),
                    Target(f"sum(rate(loki_ingester_chunks_flush_failures_total{{{E}}}[$__rate_interval]))", "loki"),
                    Target(f"sum(rate(tempo_ingester_failed_flushes_total{{{E}}}[$__rate_interval]))", "tempo"),
                    limits=bad_above(0.001),
                ),
                graph(
                    "Compaction that failed", "cps", "Blocks that stay small make queries slow.",
                    Target(f"sum by (reason) (rate(cortex_compactor_runs_failed_total{{{E}}}[$__rate_interval]))", "mimir {{reason}}"),
                    Target(f"sum(rate(tempodb_compaction_errors_total{{{E}}}[$__rate_interval]))", "tempo"),
                ),
                graph(
                    "Compaction and retention, last done", "s", "Time since.",
                    Target(f"time() - max(cortex_compactor_last_successful_run_timestamp_seconds{{{E}}} > 0)", "mimir"),
                    Target(f"time() - max(loki_compactor_apply_retention_last_successful_run_timestamp_seconds{{{E}}} > 0)", "loki"),
                    limits=bad_above(86_400),
                ),
            ],
        ),
        (
            "Programs",
            [
                graph(
                    "Memory", "bytes", "By server.",
                    Target(f"sum by (job) (process_resident_memory_bytes{{{SERVERS}}})", "{{job}}"),
                ),
                graph(
                    "Processors", "short", "Processors used, by server.",
                    Target(f"sum by (job) (rate(process_cpu_seconds_total{{{SERVERS}}}[$__rate_interval]))", "{{job}}"),
                ),
                graph(
                    "Since start", "s", "A saw is a server that is killed again and again.",
                    Target(f"time() - min by (job) (process_start_time_seconds{{{SERVERS}}})", "{{job}}"),
                ),
            ],
        ),
        variables=[ENV],
        guides=[("Dashboards and data sources", "dashboards.md"), ("Monitoring in CloudWatch", "monitoring.md")],
        tags=["observability"],
    )  # fmt: skip
