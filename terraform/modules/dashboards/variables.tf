variable "name" {
  description = "Prefix of the names: <name>-<dashboard>."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the metrics."
  type        = string
  nullable    = false
}

variable "dashboards" {
  description = "Dashboards by name: the alarms above, the graphs below, each with a line per metric."
  type = map(object({
    alarm_arns = optional(list(string), [])
    graphs = list(object({
      title = string
      lines = list(object({
        label      = string
        namespace  = string
        metric     = string
        dimensions = map(string)
        statistic  = string
      }))
    }))
  }))
  nullable = false

  validation {
    condition     = alltrue(flatten([for dashboard in values(var.dashboards) : [for graph in dashboard.graphs : length(graph.lines) > 0 && length(graph.lines) <= 500]]))
    error_message = "A graph has 1 to 500 lines; leave a graph without any out."
  }
}
