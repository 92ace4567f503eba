module "context" {
  source = "../../modules/context"

  catalog_path = var.catalog_path
  environment  = var.environment
  service      = "monitoring"
}

# What the catalog says that exists; the names of it are read below.
locals {
  env        = module.context.environment
  region     = module.context.region
  account_id = module.context.account_id
  catalog    = module.context.catalog

  services   = { for service in local.catalog.services : service.name => service }
  tasks      = { for name, service in local.services : name => service.task if try(service.task, null) != null }
  queues     = toset([for name in keys(local.tasks) : name if try(local.services[name].queue, null) != null])
  caches     = { for name, service in local.services : name => service.cache if try(service.cache, null) != null }
  databases  = { for engine, database in local.catalog.databases : engine => database if database != null }
  postgresql = contains(keys(local.databases), "postgresql")
  # As in 50-shared-rds: until it is promoted, the standby environment's databases replicate the primary's.
  replicates = try(var.settings.peer.role == "primary", false) && !var.settings.promoted
}

data "aws_ssm_parameter" "this" {
  for_each = merge(
    {
      logs_key_arn     = "/shared/kms/cloudwatch-logs-key-arn"
      sqs_key_arn      = "/shared/kms/sqs-key-arn"
      vpc_cidr         = "/shared/network/vpc-cidr"
      nat_gateway_ids  = "/shared/network/nat-gateway-ids"
      flow_log_group   = "/shared/network/flow-log-group"
      certificate_arn  = "/shared/dns/${module.context.environment}/certificate-arn"
      mysql_identifier = "/shared/rds/${module.context.environment}/identifier"
      kafka_names      = "/shared/kafka/${module.context.environment}/node-names"
      kafka_instances  = "/shared/kafka/${module.context.environment}/instance-ids"
      kafka_volumes    = "/shared/kafka/${module.context.environment}/data-volume-ids"
      alb_arn_suffix   = "/shared/alb/${module.context.environment}/arn-suffix"
      cluster_name     = "/shared/ecs/${module.context.environment}/cluster-name"
      lgtm_alb         = "/shared/lgtm/${module.context.environment}/alb-arn-suffix"
      lgtm_services    = "/shared/lgtm/${module.context.environment}/service-names"
      http_endpoint    = "/shared/problem-service/${module.context.environment}/http-endpoint"
      websocket        = "/shared/problem-service/${module.context.environment}/websocket-endpoint"
      state_machine    = "/shared/problem-service/${module.context.environment}/state-machine-arn"
      functions        = "/shared/problem-service/${module.context.environment}/function-names"
      tables           = "/shared/problem-service/${module.context.environment}/table-names"
    },
    local.postgresql ? {
      postgresql_identifier = "/shared/rds/${module.context.environment}/postgresql/identifier"
    } : {},
    { for name in keys(local.caches) : "${name}/cache" => "/shared/cache/${module.context.environment}/${name}/replication-group-id" },
    { for name in keys(local.tasks) : "${name}/service" => "/shared/applications/${module.context.environment}/${name}/service-name" },
    { for name in keys(local.tasks) : "${name}/log" => "/shared/applications/${module.context.environment}/${name}/log-group" },
    { for name in keys(local.tasks) : "${name}/target" => "/shared/applications/${module.context.environment}/${name}/target-group-arn-suffix" },
    { for name in local.queues : "${name}/queue" => "/shared/applications/${module.context.environment}/${name}/queue-url" },
  )

  name = each.value
}

# The subjects: what is watched, by kind and by name, with the dimensions of its metrics, the limits that thresholds are
# shares of, the log group of its filters and the service of the catalog that it belongs to.
locals {
  shared = { for name, parameter in data.aws_ssm_parameter.this : name => nonsensitive(parameter.value) }

  database_facts = {
    for engine, database in local.databases : "shared-${engine}" => {
      dimensions = { DBInstanceIdentifier = local.shared["${engine}_identifier"] }
      limits     = { storage_bytes = database.allocated_gib * 1024 * 1024 * 1024, max_connections = database.max_connections }
      burstable  = can(regex("^db\\.t\\d", database.instance_class))
    }
  }

  cache_facts = merge([
    for name, cache in local.caches : {
      # Members of a group without shards are numbered; the first is the primary when the group is made.
      for number in range(1, cache.nodes + 1) : "${name}-${format("%03d", number)}" => {
        service    = name
        replica    = number > 1
        dimensions = { CacheClusterId = format("%s-%03d", local.shared["${name}/cache"], number), CacheNodeId = "0001" }
      }
    }
  ]...)

  kafka_names     = [for name in split(",", local.shared.kafka_names) : trimprefix(name, "${local.env}-")]
  kafka_hosts     = { for name, id in zipmap(local.kafka_names, split(",", local.shared.kafka_instances)) : name => { dimensions = { InstanceId = id } } }
  kafka_burstable = can(regex("^t\\d", local.catalog.kafka.instance_type))

  service_facts = {
    for name, task in local.tasks : name => {
      service    = name
      dimensions = { ClusterName = local.shared.cluster_name, ServiceName = local.shared["${name}/service"] }
      limits     = { tasks = task.count }
      log_group  = local.shared["${name}/log"]
    }
  }

  lgtm_facts = {
    for name in split(",", local.shared.lgtm_services) : trimprefix(name, "${local.env}-") => {
      dimensions = { ClusterName = local.shared.cluster_name, ServiceName = name }
      limits     = { tasks = 1 }
    }
  }

  load_balancers = { applications = local.shared.alb_arn_suffix, lgtm = local.shared.lgtm_alb }

  subjects = {
    nat_gateway = { for index, id in split(",", local.shared.nat_gateway_ids) : "nat-${index + 1}" => { dimensions = { NatGatewayId = id } } }
    flow_log    = { "network" = { dimensions = {}, log_group = local.shared.flow_log_group } }

    load_balancer = { for name, suffix in local.load_balancers : name => { dimensions = { LoadBalancer = suffix } } }
    target_group = {
      for name in keys(local.tasks) : name => {
        service    = name
        dimensions = { LoadBalancer = local.shared.alb_arn_suffix, TargetGroup = local.shared["${name}/target"] }
      }
    }
    certificate = { "applications" = { dimensions = { CertificateArn = local.shared.certificate_arn } } }

    service           = local.service_facts
    service_tasks     = local.service_facts
    service_log       = { for name, facts in local.service_facts : name => { service = name, dimensions = {}, log_group = facts.log_group } }
    queue             = { for name in local.queues : name => { service = name, dimensions = { QueueName = basename(local.shared["${name}/queue"]) } } }
    dead_letter_queue = { for name in local.queues : name => { service = name, dimensions = { QueueName = "${basename(local.shared["${name}/queue"])}-dlq" } } }

    database            = local.database_facts
    database_burstable  = { for name, facts in local.database_facts : name => facts if facts.burstable }
    database_postgresql = { for name, facts in local.database_facts : name => facts if name == "shared-postgresql" }
    database_replica    = { for name, facts in local.database_facts : name => facts if local.replicates }

    cache_node    = local.cache_facts
    cache_replica = { for name, facts in local.cache_facts : name => facts if facts.replica }

    kafka_host           = local.kafka_hosts
    kafka_host_burstable = { for name, facts in local.kafka_hosts : name => facts if local.kafka_burstable }
    kafka_volume         = { for name, id in zipmap(local.kafka_names, split(",", local.shared.kafka_volumes)) : name => { dimensions = { VolumeId = id } } }

    lgtm_service = local.lgtm_facts
    lgtm_tasks   = local.lgtm_facts

    function      = { for name in compact(split(",", local.shared.functions)) : trimprefix(name, "${local.env}-") => { dimensions = { FunctionName = name } } }
    state_machine = { "problem" = { dimensions = { StateMachineArn = local.shared.state_machine } } }
    # The host name of an endpoint begins with the id of its API.
    http_api      = { "problem" = { dimensions = { ApiId = regex("^\\w+://([a-z0-9]+)", local.shared.http_endpoint)[0] } } }
    websocket_api = { "problem" = { dimensions = { ApiId = regex("^\\w+://([a-z0-9]+)", local.shared.websocket)[0] } } }
    table         = { for name in split(",", local.shared.tables) : trimprefix(name, "${local.env}-") => { dimensions = { TableName = name } } }
  }

  # Tags of what belongs to a service of the catalog.
  tags = {
    for name, service in local.services : name => {
      Service    = name
      Owner      = service.owner
      CostCenter = service.cost_center
      Team       = service.team
      DataClass  = service.data_class
      Lifecycle  = service.lifecycle
      Repository = service.repository
    }
  }
}

# The tables, written out for the subjects that exist.
locals {
  kinds      = yamldecode(file("${path.module}/subjects.yml"))
  alarms     = yamldecode(file("${path.module}/alarms.yml")).alarms
  dashboards = yamldecode(file("${path.module}/dashboards.yml"))

  watched = {
    for alarm in flatten([
      for name, alarm in local.alarms : [
        for kind in alarm.subjects : [
          for subject, facts in local.subjects[kind] : {
            name        = "${local.env}-${subject}-${name}"
            tier        = local.kinds.subjects[kind].tier
            description = "${alarm.description}. ${alarm.action}."
            namespace   = replace(local.kinds.subjects[kind].namespace, "{name}", subject)
            metric      = alarm.metric
            dimensions  = facts.dimensions
            statistic   = alarm.statistic
            comparison  = alarm.comparison
            threshold   = can(alarm.share_of) ? alarm.threshold * facts.limits[alarm.share_of] : alarm.threshold
            period      = alarm.period
            periods     = alarm.periods
            missing     = alarm.missing
            critical    = alarm.severity == "critical"
            tags        = try(local.tags[facts.service], {})
          }
        ]
      ]
    ]) : alarm.name => alarm
  }

  filters = merge([
    for name, filter in local.kinds.filters : {
      for subject, facts in local.subjects[filter.subject] : "${local.env}-${subject}-${name}" => {
        log_group = facts.log_group
        pattern   = replace(filter.pattern, "{vpc}", join(".", slice(split(".", local.shared.vpc_cidr), 0, 2)))
        namespace = replace(local.kinds.subjects[filter.subject].namespace, "{name}", subject)
        metric    = filter.metric
        unit      = filter.unit
      }
    }
  ]...)

  graphs = {
    for tier, graphs in local.dashboards : tier => [
      for graph in graphs : {
        title = graph.title
        lines = flatten([
          for subject, facts in local.subjects[graph.subject] : [
            for metric, statistic in graph.metrics : {
              label      = length(graph.metrics) == 1 ? subject : "${subject} ${metric}"
              namespace  = replace(local.kinds.subjects[graph.subject].namespace, "{name}", subject)
              metric     = metric
              dimensions = facts.dimensions
              statistic  = statistic
            }
          ]
        ])
      } if length(local.subjects[graph.subject]) > 0
    ]
  }
}

module "topic" {
  source = "../../modules/alert-topic"

  name         = "${local.env}-monitoring-alerts"
  display_name = "Alerts of ${local.env}"
  account_id   = local.account_id
  kms_key_arn  = local.shared.sqs_key_arn
  emails       = var.settings.alert_emails

  # The key's policy (20-kms) has the same services.
  publishers = {
    "backup.amazonaws.com"     = "arn:aws:backup:${local.region}:${local.account_id}:backup-vault:*"
    "budgets.amazonaws.com"    = "arn:aws:budgets::${local.account_id}:*"
    "cloudwatch.amazonaws.com" = "arn:aws:cloudwatch:${local.region}:${local.account_id}:alarm:*"
    "costalerts.amazonaws.com" = null
    "events.amazonaws.com"     = "arn:aws:events:${local.region}:${local.account_id}:rule/*"
  }
}

module "log_metrics" {
  source = "../../modules/log-metrics"

  filters = local.filters
}

module "alarms" {
  source = "../../modules/alarms"

  name      = "${local.env}-monitoring"
  topic_arn = module.topic.arn
  alarms    = local.watched
}

module "dashboards" {
  source = "../../modules/dashboards"

  name   = "${local.env}-monitoring"
  region = local.region
  dashboards = {
    for tier, graphs in local.graphs : tier => {
      alarm_arns = lookup(module.alarms.arns_by_tier, tier, [])
      graphs     = graphs
    } if length(graphs) > 0
  }
}

module "tracing" {
  source = "../../modules/tracing"

  name        = local.env
  kms_key_arn = local.shared.logs_key_arn
  groups = merge(
    { for name in keys(local.tasks) : name => "service(\"${name}\")" },
    { failing = "fault = true OR error = true", slow = "responsetime > 2" },
  )
  sampling = {
    health = { priority = 100, rate = 0, reservoir = 0, path = "/health*" }
    # Gradings are few and each is worth a look.
    problem = { priority = 1000, rate = 1, service = "${local.env}-problem*" }
    other   = { priority = 9000, rate = var.settings.trace_sampling_rate }
  }
}

module "application" {
  source   = "../../modules/application-insights"
  for_each = local.tasks

  name           = "${local.env}-${each.key}"
  match          = { Environment = local.env, Service = each.key }
  resource_types = ["AWS::ECS::Service", "AWS::ElastiCache::ReplicationGroup", "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::S3::Bucket", "AWS::SQS::Queue"]
  topic_arn      = module.topic.arn
  tags           = local.tags[each.key]
}

module "exports" {
  source = "../../modules/ssm-exports"

  parameters = {
    "/shared/monitoring/${local.env}/alerts-topic-arn" = { description = "Topic of the environment's alerts", value = module.topic.arn }
  }
}
