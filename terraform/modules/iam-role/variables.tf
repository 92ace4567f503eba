variable "name" {
  description = "Name of the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "A role name has 1 to 64 letters, digits or +=,.@_-."
  }
}

variable "description" {
  description = "What the role is for."
  type        = string
  nullable    = false
}

variable "trust_policy" {
  description = "Trust policy (JSON): who may take the role."
  type        = string
  nullable    = false

  validation {
    condition     = can(jsondecode(var.trust_policy).Statement)
    error_message = "The trust policy must be a JSON policy document."
  }
}

variable "managed_policy_arns" {
  description = "Policies of AWS or of the account to attach, by a name of your choice."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "inline_policies" {
  description = "Policies of the role itself (JSON) by name."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue([for policy in values(var.inline_policies) : can(jsondecode(policy).Statement)])
    error_message = "Every inline policy must be a JSON policy document."
  }

  # IAM does not count white space.
  validation {
    condition     = length(join("", [for policy in values(var.inline_policies) : replace(policy, "/\\s/", "")])) <= 10240
    error_message = "A role's inline policies have 10,240 characters together. Give some of them as `policies`."
  }
}

variable "policies" {
  description = "Managed policies of the account (JSON) by name, made for the role: for more than inline policies may hold."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue([for policy in values(var.policies) : can(jsondecode(policy).Statement)])
    error_message = "Every policy must be a JSON policy document."
  }

  validation {
    condition     = alltrue([for policy in values(var.policies) : length(replace(policy, "/\\s/", "")) <= 6144])
    error_message = "A managed policy has 6,144 characters: split ${join(", ", [for name, policy in var.policies : name if length(replace(policy, "/\\s/", "")) > 6144])}."
  }
}

variable "max_session_hours" {
  description = "Longest session of the role, in hours."
  type        = number
  nullable    = false
  default     = 1

  validation {
    condition     = var.max_session_hours >= 1 && var.max_session_hours <= 12
    error_message = "A session lasts 1 to 12 hours."
  }
}

variable "instance_profile" {
  description = "Also make an instance profile of the same name."
  type        = bool
  nullable    = false
  default     = false
}

variable "tags" {
  description = "Tags that differ from the provider's default tags."
  type        = map(string)
  nullable    = false
  default     = {}
}
