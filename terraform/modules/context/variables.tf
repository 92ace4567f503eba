variable "catalog_path" {
  description = "Path of the environment's service catalog (inventories/<env>/catalog.yml)."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.catalog_path)
    error_message = "The catalog file does not exist. Give the path of inventories/<env>/catalog.yml."
  }
}

variable "environment" {
  description = "Environment that the variables file is for; it must be the catalog's own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "The environment must be 2 to 10 lower-case letters and digits, starting with a letter, like its folder in inventories/."
  }
}

variable "service" {
  description = "Value of the Service tag: what the component provides."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.service))
    error_message = "The service must be 2 to 31 lower-case letters, digits or hyphens, starting with a letter."
  }
}
