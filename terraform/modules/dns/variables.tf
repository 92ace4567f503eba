variable "environment" {
  description = "Environment, for the Name tags."
  type        = string
  nullable    = false
}

variable "domain" {
  description = "Public domain of the environment. Its parent must name the zone's name servers, or the certificate is never issued."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain)) && length(var.domain) <= 62
    error_message = "A domain has lower-case labels with dots between and at most 62 characters (the wildcard's two fit into the 64 of a certificate's name)."
  }
}

variable "other_domains" {
  description = "Domains of other environments of the account whose services this one must be able to answer for (failing over)."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = !contains(var.other_domains, var.domain)
    error_message = "other_domains must not have the domain itself."
  }
}

variable "validation_minutes" {
  description = "How long to wait until the certificate is issued. It takes a few minutes once the parent domain names the zone's servers."
  type        = number
  nullable    = false
  default     = 45

  validation {
    condition     = var.validation_minutes >= 1
    error_message = "Wait at least a minute."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the zone while it has records."
  type        = bool
  nullable    = false
  default     = true
}
