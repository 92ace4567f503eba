# What belongs to the application is found by its tags, so that a new resource is in it at once.
resource "aws_resourcegroups_group" "this" {
  name        = var.name
  description = "Resources of ${var.name}"

  resource_query {
    type = "TAG_FILTERS_1_0"
    query = jsonencode({
      ResourceTypeFilters = sort(var.resource_types)
      TagFilters          = [for key in sort(keys(var.match)) : { Key = key, Values = [var.match[key]] }]
    })
  }

  tags = merge(var.tags, { Name = var.name })
}

resource "aws_applicationinsights_application" "this" {
  resource_group_name    = aws_resourcegroups_group.this.name
  auto_config_enabled    = true
  auto_create            = true
  cwe_monitor_enabled    = true
  ops_center_enabled     = true
  ops_item_sns_topic_arn = var.topic_arn

  tags = merge(var.tags, { Name = var.name })
}
