// Queries that show something on any machine, for the first visit and for an empty page.

export type Starter = { title: string; expr: string; legend: string };

export const CPU_BY_MODE: Starter = {
  title: 'CPU of this machine by mode',
  expr: 'sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))',
  legend: '{{mode}}',
};

export const STARTERS: readonly Starter[] = [
  CPU_BY_MODE,
  { title: 'Memory available', expr: 'node_memory_MemAvailable_bytes', legend: '{{instance}}' },
  {
    title: 'Network received by interface',
    expr: 'rate(node_network_receive_bytes_total{device!="lo"}[1m])',
    legend: '{{device}}',
  },
  { title: 'Disk space left by file system', expr: 'node_filesystem_avail_bytes', legend: '{{mountpoint}}' },
  { title: 'Load, one minute', expr: 'node_load1', legend: '{{instance}}' },
  { title: 'Targets that answer, and those that do not', expr: 'up', legend: '{{job}} {{instance}}' },
];
