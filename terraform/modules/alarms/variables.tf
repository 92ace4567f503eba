variable "name" {
  description = "Prefix of the composite alarms: <name>-<tier>."
  type        = string
  nullable    = false
}

variable "topic_arn" {
  description = "Topic that is told when a critical alarm or a tier changes its state."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.topic_arn, "arn:")
    error_message = "Give the topic's ARN."
  }
}

variable "alarms" {
  description = "Alarms by name. `statistic` may be a percentile (p95); `critical` ones send their own message; `tags` replace the provider's."
  type = map(object({
    tier        = string
    description = string
    namespace   = string
    metric      = string
    dimensions  = map(string)
    statistic   = string
    comparison  = string
    threshold   = number
    period      = number
    periods     = number
    missing     = string
    critical    = bool
    tags        = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : can(regex("^(Average|Maximum|Minimum|SampleCount|Sum|p(\\d{1,2}(\\.\\d{1,2})?|100))$", alarm.statistic))])
    error_message = "A statistic is Average, Maximum, Minimum, SampleCount, Sum or a percentile such as p95."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains(["breaching", "ignore", "missing", "notBreaching"], alarm.missing)])
    error_message = "`missing` is breaching, ignore, missing or notBreaching."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.period % 60 == 0 && alarm.period * alarm.periods <= 86400])
    error_message = "A period is a multiple of 60 seconds, and all periods together are at most a day."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : length(alarm.description) <= 1024])
    error_message = "CloudWatch takes descriptions of at most 1024 characters."
  }
}
