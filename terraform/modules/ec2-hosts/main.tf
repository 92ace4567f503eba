locals {
  data_hosts     = { for name, host in var.hosts : name => host if host.data_volume_gib != null }
  recovery_hosts = { for name, host in var.hosts : name => host if host.recovery_alarm }
}

data "aws_ami" "this" {
  count = var.ami_id == "" ? 1 : 0

  owners      = [var.ami_owner]
  most_recent = true

  filter {
    name   = "name"
    values = [var.ami_name]
  }
}

resource "aws_instance" "this" {
  for_each = var.hosts

  ami                     = var.ami_id == "" ? data.aws_ami.this[0].id : var.ami_id
  instance_type           = each.value.instance_type
  subnet_id               = each.value.subnet_id
  private_ip              = each.value.private_ip
  vpc_security_group_ids  = [each.value.security_group_id]
  iam_instance_profile    = each.value.instance_profile
  disable_api_termination = each.value.termination_guard
  ebs_optimized           = true
  monitoring              = each.value.detailed_monitoring
  user_data               = templatefile("${path.module}/user-data.sh.tftpl", { region = var.region })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # The volumes use the account's aws/ebs key: the seven customer keys have none for EBS, the snapshots stay in the account,
  # and auto recovery needs no further grant.
  root_block_device {
    volume_type = "gp3"
    volume_size = each.value.root_volume_gib
    encrypted   = true
  }

  tags = merge(
    {
      Name    = "${var.environment}-${each.key}"
      Role    = each.value.role
      DnsName = "${each.key}.${var.dns_domain}"
    },
    each.value.tags,
  )
}

# A volume of its own outlives the instance: a replaced broker gets its data back.
resource "aws_ebs_volume" "data" {
  for_each = local.data_hosts

  availability_zone = each.value.availability_zone
  type              = "gp3"
  size              = each.value.data_volume_gib
  iops              = each.value.data_volume_iops
  throughput        = each.value.data_volume_mib_s
  encrypted         = true

  tags = {
    Name = "${var.environment}-${each.key}-data"
    Role = each.value.role
  }
}

resource "aws_volume_attachment" "data" {
  for_each = local.data_hosts

  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data[each.key].id
  instance_id = aws_instance.this[each.key].id
}

resource "aws_cloudwatch_metric_alarm" "recovery" {
  for_each = local.recovery_hosts

  alarm_name          = "${var.environment}-${each.key}-recover"
  alarm_description   = "Hardware under ${var.environment}-${each.key} failed: start it on other hardware with the same disk and address"
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_System"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "missing"
  dimensions          = { InstanceId = aws_instance.this[each.key].id }
  alarm_actions = compact([
    "arn:aws:automate:${var.region}:ec2:recover",
    each.value.recovery_alarm_topic,
  ])

  tags = { Name = "${var.environment}-${each.key}-recover" }
}

resource "aws_service_discovery_service" "this" {
  for_each = var.hosts

  name        = each.key
  description = "Private name of ${var.environment}-${each.key}"

  dns_config {
    namespace_id   = var.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 30
    }
  }
}

resource "aws_service_discovery_instance" "this" {
  for_each = var.hosts

  service_id  = aws_service_discovery_service.this[each.key].id
  instance_id = "${var.environment}-${each.key}"
  attributes  = { AWS_INSTANCE_IPV4 = each.value.private_ip }
}
