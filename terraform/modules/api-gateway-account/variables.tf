variable "name" {
  description = "Name of the role; of the environment and, as roles have no region, unique over the account's regions."
  type        = string
  nullable    = false
}
