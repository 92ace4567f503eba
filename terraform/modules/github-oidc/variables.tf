variable "repository" {
  description = "GitHub repository (owner/name) whose workflows may take the roles."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.repository))
    error_message = "Give the repository as owner/name."
  }
}

variable "issuer" {
  description = "Issuer of the tokens, without https://."
  type        = string
  nullable    = false
  default     = "token.actions.githubusercontent.com"
}

variable "subjects" {
  description = "Trusted token subjects by role, without the `repo:<repository>:` before it, for example `environment:prod`."
  type        = map(list(string))
  nullable    = false

  validation {
    condition     = alltrue([for subjects in values(var.subjects) : length(subjects) > 0 && !contains(subjects, "*")])
    error_message = "Every role needs subjects, and `*` would trust every branch and pull request of the repository."
  }
}

variable "create_provider" {
  description = "Make the identity provider. False where another environment of the same account has made it."
  type        = bool
  nullable    = false
  default     = true
}
