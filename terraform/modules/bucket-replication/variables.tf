variable "name" {
  description = "Prefix of the role."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account of the buckets."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has twelve digits."
  }
}

variable "region" {
  description = "Region of the buckets."
  type        = string
  nullable    = false
}

variable "peer_region" {
  description = "Region of the replicas."
  type        = string
  nullable    = false

  validation {
    condition     = var.peer_region != var.region
    error_message = "The replicas must stand in another region."
  }
}

variable "buckets" {
  description = "Names of the buckets, which have versions, by a name of your choice."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for bucket in values(var.buckets) : length(bucket) <= 55])
    error_message = "The name of a bucket to replicate has at most 55 characters: its replica's has -replica behind it."
  }
}

variable "source_kms_key_arn" {
  description = "Key of the buckets' objects."
  type        = string
  nullable    = false
}

variable "replica_kms_key_arn" {
  description = "Key of the replicas' objects, in their region."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete replicas that have objects."
  type        = bool
  nullable    = false
  default     = true
}
