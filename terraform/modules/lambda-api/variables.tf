variable "name" {
  description = "Name of the API."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,100}$", var.name))
    error_message = "The name has 1 to 100 letters, digits, hyphens or underscores."
  }
}

variable "description" {
  description = "What the API offers."
  type        = string
  nullable    = false
}

variable "protocol" {
  description = "HTTP or WEBSOCKET."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["HTTP", "WEBSOCKET"], var.protocol)
    error_message = "The protocol must be HTTP or WEBSOCKET."
  }
}

variable "routes" {
  description = "Route keys that the function serves: `METHOD /path` of HTTP, `$connect`, `$disconnect`, `$default` or an action of WebSocket. Empty: the API has an address and nothing behind it yet."
  type        = set(string)
  nullable    = false

  validation {
    condition     = var.protocol != "HTTP" || alltrue([for route in var.routes : can(regex("^(GET|POST|PUT|PATCH|DELETE) /", route))])
    error_message = "Each route of an HTTP API is a method and a path (POST /submissions)."
  }

  validation {
    condition     = var.protocol != "WEBSOCKET" || length(var.routes) == 0 || contains(var.routes, "$connect")
    error_message = "A WebSocket API needs the route $connect: it is where callers are authorized."
  }
}

variable "function" {
  description = "The function behind all routes. Null while there are none."
  type = object({
    name       = string
    invoke_arn = string
  })
  nullable = true
  default  = null

  validation {
    condition     = (var.function != null) == (length(var.routes) > 0)
    error_message = "Routes need a function, and a function needs routes."
  }
}

variable "authorization" {
  description = "AWS_IAM: callers sign with credentials of the account. NONE: everybody may call."
  type        = string
  nullable    = false
  default     = "AWS_IAM"

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.authorization)
    error_message = "The authorization must be AWS_IAM or NONE."
  }
}

variable "throttling" {
  description = "Requests a second, and how many at once."
  type = object({
    rate  = optional(number, 50)
    burst = optional(number, 100)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.throttling.rate > 0 && var.throttling.burst >= var.throttling.rate
    error_message = "The rate must be positive and the burst at least the rate."
  }
}

variable "logs_kms_key_arn" {
  description = "Customer key of the access logs."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that access logs are kept."
  type        = number
  nullable    = false
}
