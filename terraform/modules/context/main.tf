# What every component derives from the catalog: its settings, the account it may touch and the required tags.

locals {
  catalog = yamldecode(file(var.catalog_path))

  tags = {
    Environment = local.catalog.environment
    Service     = var.service
    Owner       = local.catalog.tags.owner
    CostCenter  = local.catalog.tags.cost_center
    Team        = local.catalog.tags.team
    Lifecycle   = local.catalog.tags.lifecycle
    DataClass   = local.catalog.tags.data_class
    ManagedBy   = "terraform"
    Repository  = local.catalog.tags.repository
  }
}
