"""Alloy: does every agent run what it should, and does what it collects arrive."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, HOST, Target, bad_above, bad_below, graph, listing, log_lines, make, number

H = 'env=~"$env", host=~"$host"'
OWN = f'{H}, job="alloy"'


def build() -> model.Dashboard:
    return make(
        "alloy",
        "Alloy",
        "The agents themselves: configuration, resources, and the way of metrics, logs, traces and profiles.",
        (
            "Now",
            [
                number(
                    "Agents", "none", "Agents that answer.", Target(f"sum(up{{{OWN}}})"), bad_below(1),
                ),
                number(
                    "Refused configurations", "none", "Agents that run an older configuration than they were given.",
                    Target(f"sum(alloy_config_last_load_successful{{{H}}} == bool 0)"), bad_above(None, 1),
                ),
                number(
                    "Unhealthy components", "none", "Parts of the configuration that do not run.",
                    Target(f'sum(alloy_component_controller_running_components{{{H}, health_type!="healthy"}}) or 0 * sum(up{{{OWN}}})'),
                    bad_above(None, 1),
                ),
                number(
                    "Metrics behind", "s", "Age of the newest sample sent, on the slowest agent.",
                    Target(f"max(time() - prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{H}}})"),
                    bad_above(60, 300),
                ),
                number(
                    "Samples given up", "none", "In the time shown. A wrong tenant is one way to lose them.",
                    Target(f"sum(increase(prometheus_remote_storage_samples_failed_total{{{H}}}[$__range]))"),
                    bad_above(None, 1), decimals=0,
                ),
                number(
                    "Log lines given up", "none", "In the time shown.",
                    Target(f"sum(increase(loki_write_dropped_entries_total{{{H}}}[$__range]))"), bad_above(None, 1), decimals=0,
                ),
            ],
        ),
        (
            "Metrics",
            [
                graph(
                    "Samples sent", "cps", "By host.",
                    Target(f"sum by (host) (rate(prometheus_remote_storage_samples_total{{{H}}}[$__rate_interval]))", "{{host}}"),
                ),
                graph(
                    "Waiting and sent again", "short", "Samples in the queue, and repeated a second.",
                    Target(f"sum by (host) (prometheus_remote_storage_samples_pending{{{H}}})", "waiting {{host}}"),
                    Target(
                        f"sum by (host) (rate(prometheus_remote_storage_samples_retried_total{{{H}}}[$__rate_interval]))", "again {{host}}"
                    ),
                ),
                graph(
                    "Series", "short", "Series that each agent sends: a jump is a label with too many values.",
                    Target(f"sum by (host) (prometheus_remote_write_wal_storage_active_series{{{H}}})", "{{host}}"),
                ),
                graph(
                    "Time of a push, 99th percentile", "s", "Until the receiver answered.",
                    Target(
                        "histogram_quantile(0.99, sum by (host, le) "
                        f"(rate(prometheus_remote_storage_sent_batch_duration_seconds_bucket{{{H}}}[$__rate_interval])))",
                        "{{host}}",
                    ),
                    limits=bad_above(1, 5),
                ),
                graph(
                    "Senders", "short", "Now and at most; at the most the receiver is too slow.",
                    Target(f"sum by (host) (prometheus_remote_storage_shards{{{H}}})", "now {{host}}"),
                    Target(f"sum by (host) (prometheus_remote_storage_shards_max{{{H}}})", "most {{host}}"),
                ),
                graph(
                    "Scrapes dropped for too many series", "cps", "A scrape above the limit is dropped whole.",
                    Target(
                        f"sum by (host) (rate(prometheus_target_scrapes_exceeded_sample_limit_total{{{H}}}[$__rate_interval]))", "{{host}}"
                    ),
                    limits=bad_above(0.001),
                ),
            ],
        ),
        (
            "Logs, traces, profiles",
            [
                graph(
                    "Log lines sent", "cps", "By host.",
                    Target(f"sum by (host) (rate(loki_write_sent_entries_total{{{H}}}[$__rate_interval]))", "{{host}}"),
                ),
                graph(
                    "Log lines given up and batches sent again", "cps", "A line is given up after the last retry.",
                    Target(
                        f"sum by (host, reason) (rate(loki_write_dropped_entries_total{{{H}}}[$__rate_interval]))", "given up {{host}} {{reason}}"
                    ),
                    Target(f"sum by (host) (rate(loki_write_batch_retries_total{{{H}}}[$__rate_interval]))", "again {{host}}"),
                ),
                graph(
                    "Spans", "cps", "Taken from programs, sent, and lost.",
                    Target(f"sum(rate(otelcol_receiver_accepted_spans_total{{{H}}}[$__rate_interval]))", "taken"),
                    Target(f"sum(rate(otelcol_exporter_sent_spans_total{{{H}}}[$__rate_interval]))", "sent"),
                    Target(f"sum(rate(otelcol_exporter_send_failed_spans_total{{{H}}}[$__rate_interval]))", "lost"),
                ),
                graph(
                    "Queue of traces", "percentunit", "Share of the queue that is full.",
                    Target(
                        f"sum by (host) (otelcol_exporter_queue_size{{{H}}}) / sum by (host) (otelcol_exporter_queue_capacity{{{H}}})", "{{host}}"
                    ),
                    limits=bad_above(0.5, 0.9), highest=1,
                ),
                graph(
                    "Profiles", "cps", "Sent and given up.",
                    Target(f"sum(rate(pyroscope_write_sent_profiles_total{{{H}}}[$__rate_interval]))", "sent"),
                    Target(f"sum(rate(pyroscope_write_dropped_profiles_total{{{H}}}[$__rate_interval]))", "given up"),
                ),
                graph(
                    "Lines read", "cps", "Of log files and of the journal.",
                    Target(f"sum by (host) (rate(loki_source_file_read_lines_total{{{H}}}[$__rate_interval]))", "files {{host}}"),
                    Target(f"sum by (host) (rate(loki_source_journal_target_lines_total{{{H}}}[$__rate_interval]))", "journal {{host}}"),
                ),
            ],
        ),
        (
            "The agent",
            [
                graph(
                    "Memory", "bytes", "By host.", Target(f"alloy_resources_process_resident_memory_bytes{{{H}}}", "{{host}}"),
                ),
                graph(
                    "Processors", "short", "Processors that the agent uses.",
                    Target(f"rate(alloy_resources_process_cpu_seconds_total{{{H}}}[$__rate_interval])", "{{host}}"),
                ),
                listing(
                    "Versions", "none", "What runs where.",
                    Target(f"max by (host, version) (alloy_build_info{{{H}}})"),
                    columns={"host": "Host", "version": "Version"}, values=("Runs",), width=8,
                ),
                log_lines("The agents' own errors", "Journal of the unit alloy.", '{env=~"$env", host=~"$host", unit="alloy.service"} |~ "level=(error|warn)"'),
            ],
        ),
        variables=[ENV, HOST],
        guides=[("Dashboards and data sources", "dashboards.md")],
        tags=["observability"],
    )  # fmt: skip
