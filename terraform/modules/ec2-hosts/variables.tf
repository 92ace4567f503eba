variable "environment" {
  description = "Environment; the first part of every name."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the hosts."
  type        = string
  nullable    = false
}

variable "hosts" {
  description = <<-EOT
    Hosts by short name (kafka-1): where each stands and what it is. The address is fixed, so that a replaced host comes
    back under the same one. `data_volume_gib`: a volume of its own for data, kept apart from the instance.
  EOT
  type = map(object({
    role                 = string
    instance_type        = string
    subnet_id            = string
    availability_zone    = string
    private_ip           = string
    security_group_id    = string
    instance_profile     = string
    data_volume_gib      = optional(number)
    data_volume_iops     = optional(number, 3000)
    data_volume_mib_s    = optional(number, 125)
    root_volume_gib      = optional(number, 16)
    tags                 = optional(map(string), {})
    termination_guard    = optional(bool, true)
    detailed_monitoring  = optional(bool, true)
    recovery_alarm       = optional(bool, true)
    recovery_alarm_topic = optional(string)
  }))
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.hosts) : can(regex("^[a-z][a-z0-9-]{1,40}$", name))])
    error_message = "A host's short name has lower-case letters, digits and hyphens and starts with a letter."
  }

  validation {
    condition     = length(distinct([for host in values(var.hosts) : host.private_ip])) == length(var.hosts)
    error_message = "Two hosts have the same address: ${join(", ", [for name, host in var.hosts : "${name}=${host.private_ip}"])}."
  }

  validation {
    condition     = alltrue([for host in values(var.hosts) : host.data_volume_gib == null || try(host.data_volume_gib >= 1 && host.data_volume_gib <= 16384, false)])
    error_message = "A gp3 volume has 1 to 16384 GiB."
  }

  validation {
    condition     = alltrue([for host in values(var.hosts) : contains(["kafka", "ops"], host.role)])
    error_message = "The role of a host is kafka or ops: the inventory knows no other."
  }
}

variable "ami_id" {
  description = "Image of the hosts. Empty: the image of `ami_name` and `ami_owner`."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.ami_id == "" || startswith(var.ami_id, "ami-")
    error_message = "An image id starts with ami-."
  }
}

variable "ami_name" {
  description = "Exact name of the image. Exact, because a newer image would replace every host: raise it on purpose."
  type        = string
  nullable    = false
  default     = "debian-12-amd64-20250814-2204"

  validation {
    condition     = !strcontains(var.ami_name, "*")
    error_message = "Name one image exactly; a pattern would replace the hosts whenever a newer image appears."
  }
}

variable "ami_owner" {
  description = "Account that publishes the image; Debian's by default (https://wiki.debian.org/Cloud/AmazonEC2Image)."
  type        = string
  nullable    = false
  default     = "136693071363"
}

variable "dns_domain" {
  description = "Private DNS domain, the name of the Cloud Map namespace."
  type        = string
  nullable    = false
}

variable "namespace_id" {
  description = "Cloud Map namespace in which each host gets its name."
  type        = string
  nullable    = false
}
