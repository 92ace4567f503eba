variable "parameters" {
  description = "SSM parameters by path. A list becomes a StringList, a string a String; none of them is a secret."
  type = map(object({
    description = string
    value       = optional(string)
    values      = optional(list(string))
  }))
  nullable = false

  validation {
    condition     = alltrue([for path in keys(var.parameters) : can(regex("^/shared(/[a-z0-9-]+)+$", path))])
    error_message = "Every path must be under /shared, of lower-case letters, digits and hyphens: ${join(", ", [for path in keys(var.parameters) : path if !can(regex("^/shared(/[a-z0-9-]+)+$", path))])}."
  }

  validation {
    condition     = alltrue([for parameter in values(var.parameters) : (parameter.value == null) != (parameter.values == null)])
    error_message = "Each parameter needs exactly one of value and values."
  }
}
