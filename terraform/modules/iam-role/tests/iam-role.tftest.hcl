mock_provider "aws" {}

variables {
  name         = "test-role"
  description  = "A role"
  trust_policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "no_instance_profile_unless_asked_for" {
  command = plan

  assert {
    condition     = output.instance_profile_name == null && aws_iam_role.this.max_session_duration == 3600
    error_message = "a plain role has no instance profile and sessions of an hour"
  }
}

run "an_instance_profile_of_the_same_name" {
  command = plan

  variables {
    instance_profile    = true
    managed_policy_arns = { ssm = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" }
    inline_policies     = { own = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  assert {
    condition     = output.instance_profile_name == "test-role" && length(aws_iam_role_policy_attachment.this) == 1 && length(aws_iam_role_policy.this) == 1
    error_message = "profile, attachment and inline policy must be there"
  }
}

run "text_is_no_policy" {
  command = plan

  variables {
    inline_policies = { own = "allow everything" }
  }

  expect_failures = [var.inline_policies]
}

run "managed_policies_of_its_own_are_attached" {
  command = plan

  variables {
    policies = { compute = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  assert {
    condition     = aws_iam_policy.this["compute"].name == "test-role-compute" && aws_iam_role_policy_attachment.own["compute"].role == "test-role"
    error_message = "a policy has the role's name before its own and is attached"
  }
}

run "inline_policies_have_room_together" {
  command = plan

  variables {
    inline_policies = { for name in ["one", "two"] : name => jsonencode({ Statement = [for index in range(600) : "123456"] }) }
  }

  expect_failures = [var.inline_policies]
}

run "white_space_takes_no_room" {
  command = plan

  variables {
    policies = { own = "{\"Statement\": [${join("", [for index in range(700) : "          "])}]}" }
  }

  assert {
    condition     = length(aws_iam_policy.this) == 1
    error_message = "IAM does not count white space"
  }
}

run "a_managed_policy_has_room_for_itself" {
  command = plan

  variables {
    policies = { own = jsonencode({ Statement = [for index in range(700) : "123456"] }) }
  }

  expect_failures = [var.policies]
}
