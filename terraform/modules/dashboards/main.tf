locals {
  # Two graphs beside each other below the alarms; the grid is 24 wide.
  bodies = {
    for name, dashboard in var.dashboards : name => jsonencode({
      widgets = concat(
        length(dashboard.alarm_arns) == 0 ? [] : [{
          type       = "alarm", x = 0, y = 0, width = 24, height = 4
          properties = { title = "Alarms", alarms = slice(dashboard.alarm_arns, 0, min(100, length(dashboard.alarm_arns))) }
        }],
        [
          for index, graph in dashboard.graphs : {
            type = "metric", x = 12 * (index % 2), y = 4 + 6 * floor(index / 2), width = 12, height = 6
            properties = {
              title  = graph.title
              region = var.region
              view   = "timeSeries"
              period = 300
              metrics = [
                for line in graph.lines : concat(
                  [line.namespace, line.metric],
                  flatten([for dimension in sort(keys(line.dimensions)) : [dimension, line.dimensions[dimension]]]),
                  [{ stat = line.statistic, label = line.label }],
                )
              ]
            }
          }
        ],
      )
    })
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.bodies

  dashboard_name = "${var.name}-${each.key}"
  dashboard_body = each.value
}
