"""The settings of the group_alerts function: where its messages go, and what their commands are aimed at."""

from __future__ import annotations

from pydantic import Field

from functions.settings import FunctionSettings, Name


class Settings(FunctionSettings):
    """The alert topic, and the stack and Region by which commands find the deployment."""

    alert_topic_arn: Name
    stack: Name
    region: Name = Field(alias="AWS_REGION")
