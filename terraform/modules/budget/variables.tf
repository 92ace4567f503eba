variable "environment" {
  description = "Environment whose costs are watched: the value of the tag Environment."
  type        = string
  nullable    = false
}

variable "limit_usd" {
  description = "Monthly limit in USD."
  type        = number
  nullable    = false

  validation {
    condition     = var.limit_usd > 0
    error_message = "The limit is a number of USD above 0."
  }
}

variable "notifications" {
  description = "When somebody is told, by name: the percentage of the limit that the month's actual or forecast costs are above."
  type = map(object({
    type    = string
    percent = number
  }))
  nullable = false
  default = {
    actual-80    = { type = "ACTUAL", percent = 80 }
    actual-100   = { type = "ACTUAL", percent = 100 }
    forecast-100 = { type = "FORECASTED", percent = 100 }
  }

  validation {
    condition     = length(var.notifications) >= 1 && length(var.notifications) <= 5 && alltrue([for notification in values(var.notifications) : contains(["ACTUAL", "FORECASTED"], notification.type) && notification.percent > 0])
    error_message = "A budget has 1 to 5 notifications of type ACTUAL or FORECASTED with a percentage above 0."
  }
}

variable "emails" {
  description = "Addresses that get the notifications beside the topic."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(var.emails) <= 10 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "A notification has at most 10 e-mail addresses."
  }
}

variable "topic_arn" {
  description = "SNS topic of the alerts; its policy must let Budgets and Cost Explorer publish."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:", var.topic_arn))
    error_message = "Give the ARN of an SNS topic."
  }
}

variable "anomaly_usd" {
  description = "Impact in USD from which an anomaly is told."
  type        = number
  nullable    = false
  default     = 20

  validation {
    condition     = var.anomaly_usd > 0
    error_message = "The impact is a number of USD above 0."
  }
}
