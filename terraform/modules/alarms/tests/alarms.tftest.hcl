mock_provider "aws" {}

variables {
  name      = "test-monitoring"
  topic_arn = "arn:aws:sns:ap-northeast-2:111122223333:test-monitoring-alerts"
  alarms = {
    test-fileflow-ecs-cpu = {
      tier       = "applications", description = "CPU", namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Average"
      dimensions = { ClusterName = "test", ServiceName = "fileflow" }, comparison = "GreaterThanThreshold", threshold = 80
      period     = 300, periods = 2, missing = "missing", critical = false
    }
    test-applications-alb-latency = {
      tier       = "load-balancers", description = "latency", namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", statistic = "p95"
      dimensions = { LoadBalancer = "app/test/1" }, comparison = "GreaterThanThreshold", threshold = 2
      period     = 300, periods = 3, missing = "notBreaching", critical = true
    }
  }
}

run "critical_alarms_speak_and_tiers_speak_for_the_rest" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["test-fileflow-ecs-cpu"].alarm_actions) == 0 && length(aws_cloudwatch_metric_alarm.this["test-applications-alb-latency"].alarm_actions) == 1
    error_message = "only a critical alarm sends its own message"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["test-applications-alb-latency"].extended_statistic == "p95" && aws_cloudwatch_metric_alarm.this["test-applications-alb-latency"].statistic == null
    error_message = "a percentile is an extended statistic"
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.tier["applications"].alarm_rule == "ALARM(\"test-fileflow-ecs-cpu\")"
    error_message = "a tier's alarm is about the tier's alarms"
  }
}

run "a_large_tier_is_split" {
  command = plan

  variables {
    alarms = {
      for index in range(170) : format("test-%03d", index) => {
        tier       = "applications", description = "", namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Average"
        dimensions = {}, comparison = "GreaterThanThreshold", threshold = 80, period = 300, periods = 2, missing = "missing", critical = false
      }
    }
  }

  assert {
    condition     = join(" ", keys(aws_cloudwatch_composite_alarm.tier)) == "applications applications-2 applications-3"
    error_message = "a composite alarm takes at most 100 alarms"
  }

  assert {
    condition     = sum([for tier in aws_cloudwatch_composite_alarm.tier : length(split(" OR ", tier.alarm_rule))]) == 170 && alltrue([for tier in aws_cloudwatch_composite_alarm.tier : length(split(" OR ", tier.alarm_rule)) <= 100])
    error_message = "every alarm must be in one composite alarm, and none of these may be too large"
  }
}

run "a_statistic_that_is_none_is_refused" {
  command = plan

  variables {
    alarms = {
      x = {
        tier       = "x", description = "", namespace = "AWS/ECS", metric = "CPUUtilization", statistic = "Mean", dimensions = {}
        comparison = "GreaterThanThreshold", threshold = 80, period = 300, periods = 2, missing = "missing", critical = false
      }
    }
  }

  expect_failures = [var.alarms]
}
