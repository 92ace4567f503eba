output "metrics" {
  description = "Namespace and metric by filter."
  value = {
    for name, filter in aws_cloudwatch_log_metric_filter.this : name => {
      namespace = filter.metric_transformation[0].namespace
      metric    = filter.metric_transformation[0].name
    }
  }
}
