variable "name" {
  description = "Name of the resource group and of the application."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{1,128}$", var.name)) && !startswith(lower(var.name), "aws")
    error_message = "A resource group's name has at most 128 letters, digits, dots, hyphens or underscores and does not begin with aws."
  }
}

variable "match" {
  description = "Tags that all resources of the application have."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.match) > 0
    error_message = "Without a tag the group would have every resource of the account."
  }
}

variable "resource_types" {
  description = "Types of the resources, as CloudFormation names them."
  type        = set(string)
  nullable    = false
}

variable "topic_arn" {
  description = "Topic that is told of a problem."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.topic_arn, "arn:")
    error_message = "Give the topic's ARN."
  }
}

variable "tags" {
  description = "Tags that differ from the provider's."
  type        = map(string)
  nullable    = false
  default     = {}
}
