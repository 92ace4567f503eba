variable "name" {
  description = "Prefix of the groups' names."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "VPC of the groups."
  type        = string
  nullable    = false
}

variable "groups" {
  description = "Groups by name: what each is for."
  type        = map(string)
  nullable    = false
}

variable "rules" {
  description = <<-EOT
    Rules by `<from>-to-<to>:<purpose>`: TCP from one group to another, made as egress of the one and ingress of the other.
    Each end is a group of `groups`.
  EOT
  type = map(object({
    from = string
    to   = string
    port = number
  }))
  nullable = false

  validation {
    condition     = alltrue([for rule in values(var.rules) : contains(keys(var.groups), rule.from) && contains(keys(var.groups), rule.to)])
    error_message = "Every rule must be between two groups of this module: ${join(", ", [for name, rule in var.rules : name if !contains(keys(var.groups), rule.from) || !contains(keys(var.groups), rule.to)])}."
  }

  validation {
    condition     = alltrue([for rule in values(var.rules) : rule.port >= 1 && rule.port <= 65535])
    error_message = "A port is 1 to 65535."
  }
}

variable "public_ingress" {
  description = "Ports that a group offers to the Internet. Only a load balancer's 80 and 443 may be open."
  type        = map(set(number))
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue(flatten([for group, ports in var.public_ingress : [for port in ports : group == "alb" && contains([80, 443], port)]]))
    error_message = "Only the group alb may be open to the Internet, and only on 80 and 443."
  }
}

variable "internet_egress" {
  description = "TCP ports on which a group may reach the Internet (through NAT), for packages and AWS endpoints."
  type        = map(set(number))
  nullable    = false
  default     = {}
}
