variable "filters" {
  description = "Metric filters by name: each line of the log group that fits the pattern counts one."
  type = map(object({
    log_group = string
    pattern   = string
    namespace = string
    metric    = string
    unit      = optional(string, "Count")
  }))
  nullable = false

  validation {
    condition     = alltrue([for filter in values(var.filters) : !startswith(filter.namespace, "AWS/")])
    error_message = "Namespaces that begin with AWS/ are AWS's own."
  }
}
