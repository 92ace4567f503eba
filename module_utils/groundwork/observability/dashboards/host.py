"""Host: processors, memory, disks, network, units and clock of the chosen hosts."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from .build import ENV, HOST, Target, bad_above, bad_below, bars, graph, listing, log_lines, make, number
from .kafka_cluster import LOG_DIR

H = 'env=~"$env", host=~"$host"'
DISK = f'{H}, device!~"loop.*|ram.*|dm-.*"'
WIRE = f'{H}, device!~"lo|veth.*|docker.*|podman.*|br-.*"'


def build() -> model.Dashboard:
    return make(
        "host",
        "Host",
        "What a host's kernel and systemd say.",
        (
            "Now",
            [
                number(
                    "Up since", "s", "Time since the last boot of the host that booted last.",
                    Target(f"min(node_time_seconds{{{H}}} - node_boot_time_seconds{{{H}}})"), bad_below(600),
                ),
                number(
                    "Failed units", "none", "Units of systemd that failed.",
                    Target(f'sum(node_systemd_unit_state{{{H}, state="failed"}})'), bad_above(None, 1),
                ),
                number(
                    "Killed for memory", "none", "Processes that the kernel killed in the time shown.",
                    Target(f"sum(increase(node_vmstat_oom_kill{{{H}}}[$__range]))"), bad_above(None, 1), decimals=0,
                ),
                number(
                    "Least memory", "percentunit", "Share that programs can still get, on the host that has least.",
                    Target(f"min(node_memory_MemAvailable_bytes{{{H}}} / node_memory_MemTotal_bytes{{{H}}})"),
                    bad_below(0.05, 0.15), decimals=2,
                ),
                number(
                    "Fullest file system", "percent", "Used space.",
                    Target(f"max(100 * (1 - node_filesystem_avail_bytes{{{H}}} / node_filesystem_size_bytes{{{H}}}))"),
                    bad_above(75, 90), decimals=0, runbook=LOG_DIR,
                ),
                number(
                    "Read-only or broken", "none", "File systems that take no writes or do not answer.",
                    Target(
                        f'sum(node_filesystem_readonly{{{H}, fstype=~"ext4|xfs|btrfs"}}) + sum(node_filesystem_device_error{{{H}}})'
                    ),
                    bad_above(None, 1), runbook=LOG_DIR,
                ),
            ],
        ),
        (
            "Processors and memory",
            [
                graph(
                    "Processors by use", "percentunit", "Share of all processors chosen, by what they do.",
                    Target(
                        f'sum by (mode) (rate(node_cpu_seconds_total{{{H}, mode!="idle"}}[$__rate_interval]))'
                        f' / scalar(count(node_cpu_seconds_total{{{H}, mode="idle"}}))',
                        "{{mode}}",
                    ),
                    stacked=True, highest=1,
                ),
                graph(
                    "Load", "short", "Tasks that run or wait, over a minute and a quarter of an hour.",
                    Target(f"node_load1{{{H}}}", "1 min {{host}}"), Target(f"node_load15{{{H}}}", "15 min {{host}}"),
                ),
                graph(
                    "Waiting", "percentunit", "Share of time in which some task waited for a processor, memory or a disk.",
                    Target(f"rate(node_pressure_cpu_waiting_seconds_total{{{H}}}[$__rate_interval])", "processor {{host}}"),
                    Target(f"rate(node_pressure_memory_waiting_seconds_total{{{H}}}[$__rate_interval])", "memory {{host}}"),
                    Target(f"rate(node_pressure_io_waiting_seconds_total{{{H}}}[$__rate_interval])", "disk {{host}}"),
                    limits=bad_above(0.2, 0.5),
                ),
                graph(
                    "Memory", "bytes", "All, what programs can still get, and the page cache, which Kafka lives on.",
                    Target(f"node_memory_MemTotal_bytes{{{H}}}", "all {{host}}"),
                    Target(f"node_memory_MemAvailable_bytes{{{H}}}", "available {{host}}"),
                    Target(f"node_memory_Cached_bytes{{{H}}}", "page cache {{host}}"),
                ),
                graph(
                    "Swapping", "cps", "Pages read from and written to swap.",
                    Target(f"rate(node_vmstat_pswpin{{{H}}}[$__rate_interval])", "in {{host}}"),
                    Target(f"rate(node_vmstat_pswpout{{{H}}}[$__rate_interval])", "out {{host}}"),
                    limits=bad_above(100),
                ),
                graph(
                    "Open files", "percentunit", "Share of the files that the host may open.",
                    Target(f"node_filefd_allocated{{{H}}} / node_filefd_maximum{{{H}}}", "{{host}}"),
                    limits=bad_above(0.6, 0.85),
                ),
            ],
        ),
        (
            "Disks",
            [
                graph(
                    "Busy", "percentunit", "Share of time in which the disk worked.",
                    Target(f"rate(node_disk_io_time_seconds_total{{{DISK}}}[$__rate_interval])", "{{host}} {{device}}"),
                    limits=bad_above(0.8, 0.95), highest=1,
                ),
                graph(
                    "Read and written", "Bps", "Bytes a second.",
                    Target(f"sum by (host) (rate(node_disk_read_bytes_total{{{DISK}}}[$__rate_interval]))", "read {{host}}"),
                    Target(f"sum by (host) (rate(node_disk_written_bytes_total{{{DISK}}}[$__rate_interval]))", "written {{host}}"),
                ),
                graph(
                    "Time of a write", "s", "Time of all writes by their number.",
                    Target(
                        f"rate(node_disk_write_time_seconds_total{{{DISK}}}[$__rate_interval])"
                        f" / (rate(node_disk_writes_completed_total{{{DISK}}}[$__rate_interval]) > 0)",
                        "{{host}} {{device}}",
                    ),
                    limits=bad_above(0.05, 0.2),
                ),
                bars(
                    "Used space", "percent", "By mount point.",
                    Target(
                        f"100 * (1 - node_filesystem_avail_bytes{{{H}}} / node_filesystem_size_bytes{{{H}}})",
                        "{{host}} {{mountpoint}}",
                    ),
                    limits=bad_above(75, 90), highest=100, runbook=LOG_DIR,
                ),
                bars(
                    "Used inodes", "percent", "Files that can still be made, by mount point.",
                    Target(
                        f"100 * (1 - node_filesystem_files_free{{{H}}} / (node_filesystem_files{{{H}}} > 0))",
                        "{{host}} {{mountpoint}}",
                    ),
                    limits=bad_above(75, 90), highest=100,
                ),
                graph(
                    "Full in", "s", "Seconds until the file system is full, by the last six hours; nothing when it empties.",
                    Target(
                        f"(node_filesystem_avail_bytes{{{H}}} / -deriv(node_filesystem_avail_bytes{{{H}}}[6h])) > 0",
                        "{{host}} {{mountpoint}}",
                    ),
                    runbook=LOG_DIR,
                ),
            ],
        ),
        (
            "Network and clock",
            [
                graph(
                    "Received and sent", "Bps", "Bytes a second.",
                    Target(f"sum by (host) (rate(node_network_receive_bytes_total{{{WIRE}}}[$__rate_interval]))", "in {{host}}"),
                    Target(f"sum by (host) (rate(node_network_transmit_bytes_total{{{WIRE}}}[$__rate_interval]))", "out {{host}}"),
                ),
                graph(
                    "Broken and dropped packets", "pps", "All devices together.",
                    Target(
                        f"sum by (host) (rate(node_network_receive_errs_total{{{WIRE}}}[$__rate_interval])"
                        f" + rate(node_network_transmit_errs_total{{{WIRE}}}[$__rate_interval]))",
                        "broken {{host}}",
                    ),
                    Target(
                        f"sum by (host) (rate(node_network_receive_drop_total{{{WIRE}}}[$__rate_interval])"
                        f" + rate(node_network_transmit_drop_total{{{WIRE}}}[$__rate_interval]))",
                        "dropped {{host}}",
                    ),
                    limits=bad_above(1),
                ),
                graph(
                    "TCP sent again", "percentunit", "Share of segments that had to be sent again.",
                    Target(
                        f"rate(node_netstat_Tcp_RetransSegs{{{H}}}[$__rate_interval])"
                        f" / (rate(node_netstat_Tcp_OutSegs{{{H}}}[$__rate_interval]) > 0)",
                        "{{host}}",
                    ),
                    limits=bad_above(0.01, 0.05),
                ),
                graph(
                    "TCP connections", "short", "Open connections.", Target(f"node_netstat_Tcp_CurrEstab{{{H}}}", "{{host}}"),
                ),
                graph(
                    "Clock", "s", "Difference to the time server; Kafka and AWS refuse what is minutes off.",
                    Target(f"node_timex_offset_seconds{{{H}}}", "{{host}}"), lowest=None,
                ),
                listing(
                    "Units that failed or restart", "none", "Units of systemd in state failed, and restarts in the last day.",
                    Target(f'sum by (host, name) (node_systemd_unit_state{{{H}, state="failed"}}) > 0'),
                    Target(f"sum by (host, name) (increase(node_systemd_service_restart_total{{{H}}}[1d])) > 0"),
                    columns={"host": "Host", "name": "Unit"}, values=("Failed", "Restarts"), width=8,
                ),
                log_lines(
                    "Errors in the journal", "What systemd's journal has of priority err and worse.",
                    '{env=~"$env", host=~"$host", job="journal", level=~"(?i)err|error|crit|alert|emerg|fatal"}',
                ),
            ],
        ),
        variables=[ENV, HOST],
        guides=[("Troubleshooting", "troubleshooting.md")],
    )  # fmt: skip
