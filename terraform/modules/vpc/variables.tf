variable "name" {
  description = "Name of the VPC and the prefix of everything in it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+$", var.name))
    error_message = "The name must be lower-case letters, digits and hyphens, starting with a letter."
  }
}

variable "cidr" {
  description = "IPv4 range of the VPC, a /16."
  type        = string
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16") && can(cidrsubnet(var.cidr, 0, 0)) && try(cidrsubnet(var.cidr, 0, 0) == var.cidr, false)
    error_message = "The range must be an IPv4 network address of size /16, like 10.0.0.0/16: the /19 and /20 subnets of four zones fill it."
  }
}

variable "availability_zones" {
  description = "Full names of the zones of public and private subnets, in order. The position decides the range, so only append."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.availability_zones) >= 1 && length(var.availability_zones) <= 4
    error_message = "Give one to four availability zones: a /16 has room for four."
  }

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "An availability zone is named twice."
  }
}

variable "subnet_availability_zones" {
  description = <<-EOT
    Full names of further zones that have subnets though no host stands in them: RDS and application load balancers want
    subnets in at least two zones even for one instance.
  EOT
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = length(distinct(concat(var.availability_zones, var.subnet_availability_zones))) <= 4
    error_message = "Give at most four different availability zones: a /16 has room for four."
  }

  validation {
    condition     = length(distinct(concat(var.availability_zones, var.subnet_availability_zones))) >= 2
    error_message = "Subnets need at least two availability zones: RDS and load balancers refuse one. Set subnet_availability_zones."
  }
}

variable "nat_gateways" {
  description = "`one` for the whole VPC, or `per_zone`."
  type        = string
  nullable    = false
  default     = "per_zone"

  validation {
    condition     = contains(["one", "per_zone"], var.nat_gateways)
    error_message = "nat_gateways must be one or per_zone."
  }
}

variable "gateway_endpoints" {
  description = "Services reached by a gateway endpoint (free of charge): s3, dynamodb."
  type        = set(string)
  nullable    = false
  default     = ["s3", "dynamodb"]

  validation {
    condition     = alltrue([for service in var.gateway_endpoints : contains(["s3", "dynamodb"], service)])
    error_message = "Only s3 and dynamodb have gateway endpoints."
  }
}

variable "dns_domain" {
  description = "Private DNS domain of the hosts, for example prod.internal."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.dns_domain))
    error_message = "The domain must be lower-case labels joined by dots."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string
  nullable    = false
}
