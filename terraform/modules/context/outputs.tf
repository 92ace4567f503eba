output "catalog" {
  description = "The decoded catalog."
  value       = local.catalog

  precondition {
    condition     = local.catalog.environment == var.environment
    error_message = "The variables file is for '${var.environment}', the catalog ${var.catalog_path} for '${local.catalog.environment}'. Give both of one environment."
  }
}

output "environment" {
  description = "Name of the environment, the first part of every resource name."
  value       = local.catalog.environment
}

output "region" {
  description = "AWS region of the environment."
  value       = local.catalog.region
}

output "account_id" {
  description = "The only account in which the component may be applied."
  value       = tostring(local.catalog.account_id)
}

output "tags" {
  description = "The required tags, for the provider's default_tags."
  value       = local.tags
}
