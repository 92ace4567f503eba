variable "environment" {
  description = "Environment, the first part of every repository's name."
  type        = string
  nullable    = false
}

variable "repositories" {
  description = "Repositories by service: how many of the newest images are kept, and tags that differ from the provider's default tags."
  type = map(object({
    keep = number
    tags = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition     = alltrue([for repository in values(var.repositories) : repository.keep >= 1])
    error_message = "Keep at least one image of each repository, or nothing can be deployed again."
  }

  validation {
    condition     = alltrue([for name in keys(var.repositories) : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name))])
    error_message = "A repository's name has lower-case letters, digits and single hyphens."
  }
}

variable "kms_key_arn" {
  description = "Customer key of the images. It cannot be changed later: ECR makes a new repository for another key."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kms_key_arn, "arn:")
    error_message = "Give the key's ARN."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete a repository while it has images."
  type        = bool
  nullable    = false
  default     = true
}
