mock_provider "aws" {}

variables {
  environment  = "test"
  region       = "ap-northeast-2"
  dns_domain   = "test.internal"
  namespace_id = "ns-1"
  hosts = {
    kafka-1 = {
      role              = "kafka"
      instance_type     = "t3.medium"
      subnet_id         = "subnet-1"
      availability_zone = "ap-northeast-2a"
      private_ip        = "10.0.0.11"
      security_group_id = "sg-1"
      instance_profile  = "test-kafka-instance"
      data_volume_gib   = 20
      tags              = { KafkaNodeId = "1", KafkaRoles = "broker,controller" }
    }
    ops-1 = {
      role              = "ops"
      instance_type     = "t3.small"
      subnet_id         = "subnet-1"
      availability_zone = "ap-northeast-2a"
      private_ip        = "10.0.0.201"
      security_group_id = "sg-2"
      instance_profile  = "test-ops-instance"
    }
  }
}

run "hosts_are_what_the_inventory_expects" {
  command = plan

  assert {
    condition = aws_instance.this["kafka-1"].tags == tomap({
      Name        = "test-kafka-1"
      Role        = "kafka"
      DnsName     = "kafka-1.test.internal"
      KafkaNodeId = "1"
      KafkaRoles  = "broker,controller"
    })
    error_message = "the inventory makes its groups and names from these tags"
  }

  assert {
    condition     = aws_instance.this["kafka-1"].private_ip == "10.0.0.11"
    error_message = "the address is fixed"
  }
}

run "hosts_are_hardened" {
  command = plan

  assert {
    condition = alltrue([
      for instance in aws_instance.this :
      instance.metadata_options[0].http_tokens == "required" && instance.metadata_options[0].http_put_response_hop_limit == 1
    ])
    error_message = "instance metadata needs IMDSv2"
  }

  assert {
    condition     = alltrue([for instance in aws_instance.this : instance.root_block_device[0].encrypted && instance.disable_api_termination])
    error_message = "root volumes are encrypted and hosts are kept from termination by default"
  }

  assert {
    condition     = keys(aws_ebs_volume.data) == ["kafka-1"] && aws_ebs_volume.data["kafka-1"].encrypted
    error_message = "only the broker has a data volume, encrypted"
  }
}

run "user_data_is_small_and_safe_to_repeat" {
  command = plan

  assert {
    condition     = strcontains(aws_instance.this["ops-1"].user_data, "command -v amazon-ssm-agent") && !strcontains(aws_instance.this["ops-1"].user_data, "kafka")
    error_message = "user data only lets Ansible in"
  }
}

run "two_hosts_of_one_address_are_refused" {
  command = plan

  variables {
    hosts = {
      for name in ["kafka-1", "kafka-2"] : name => {
        role              = "kafka"
        instance_type     = "t3.medium"
        subnet_id         = "subnet-1"
        availability_zone = "ap-northeast-2a"
        private_ip        = "10.0.0.11"
        security_group_id = "sg-1"
        instance_profile  = "test-kafka-instance"
      }
    }
  }

  expect_failures = [var.hosts]
}

run "an_image_pattern_is_refused" {
  command = plan

  variables {
    ami_name = "debian-12-amd64-*"
  }

  expect_failures = [var.ami_name]
}
