"""How a mission reaches a robot over ROS 2: topics, actions and frames, read from `ros:` in `config/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vlm_bt.vision_settings import Strict

Name = Annotated[str, Field(pattern=r"^[~/]?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")]
"""Of a topic, service or action; relative ones lie under the node's own namespace."""
Quaternion = tuple[float, float, float, float]
Side = Annotated[float, Field(gt=0)]


class ExtrinsicsSettings(Strict):
    """Pose of a camera's optical frame (x right, y down, z forward) in the robot's base frame: metres, (w, x, y, z).

    `mounted_on`: "hand" for a camera that the arm carries: the pose is then given in the frame of the tool centre
    point, and where the camera is follows from what the arm says of itself.
    """

    mounted_on: Literal["base", "hand"] = "base"
    position: tuple[float, float, float]
    quaternion: Quaternion


class RosCameraSettings(Strict):
    """One RGB-D camera as realsense2_camera publishes it.

    Attributes:
        colour: Topic of sensor_msgs/Image, or of CompressedImage where `compressed`.
        depth: Aligned to colour: 16UC1 in millimetres or 32FC1 in metres.
        info: CameraInfo of the colour camera.
        extrinsics: Where the camera hangs; None: asked of tf2 (`frame` in the base frame), which then has to be there.
        frame: Its optical frame; the one in the images' headers if not given.
        most_apart_s: Colour and depth of one frame may be stamped so far apart.
        stale_s: An image older than this is no answer to a request.
        lost_s: No image for so long: `camera_lost`.
    """

    colour: Name
    depth: Name
    info: Name
    compressed: bool = False
    extrinsics: ExtrinsicsSettings | None = None
    frame: str | None = None
    most_apart_s: float = Field(0.010, ge=0)
    stale_s: float = Field(0.5, gt=0)
    lost_s: float = Field(2.0, gt=0)


class RosArmSettings(Strict):
    """The actions of an arm. Distances metres, forces newtons.

    Attributes:
        move, grip: Actions vlm_bt_interfaces/MoveArm and /Grip. state: topic of ArmState.
        speed: Share of the arm's own limits; careful: the same for the last centimetres before and after a grasp.
        rise_m: How high above the bench things are carried.
        motion_limit_s: The longest that one goal may take. accept_limit_s: the longest until it is accepted.
    """

    move: Name = "move_arm"
    grip: Name = "grip"
    state: Name = "arm_state"
    speed: float = Field(1.0, gt=0, le=1)
    careful: float = Field(0.3, gt=0, le=1)
    grip_force_n: float = Field(20.0, gt=0)
    rise_m: float = Field(0.12, gt=0)
    motion_limit_s: float = Field(20.0, gt=0)
    accept_limit_s: float = Field(2.0, gt=0)
    lost_s: float = Field(1.0, gt=0)


class JointArmSettings(Strict):
    """What is to be known of an arm's joints and its gripper, whoever plans its ways.

    Attributes:
        joints: In joint_states, from the base on.
        finger_joints: In joint_states; their positions add up to the opening between the fingertips, in metres.
        gripper: Action control_msgs/GripperCommand, or ParallelGripperCommand where `gripper_kind` says so.
        gripper_joint: The joint that a parallel gripper is told of; the first finger joint if not given.
        gripper_scale: The gripper's position for one metre of opening: 1, or 0.5 where it counts one finger's way.
        named: Postures by name, radians.
        still_rad_s: Slower than this at every joint is standing still.
        lost_s: No joint states for so long: the arm is lost.
    """

    joint_states: Name = "joint_states"
    joints: tuple[str, ...] = tuple(f"joint{number}" for number in range(1, 8))
    finger_joints: tuple[str, ...] = ("finger_joint1", "finger_joint2")
    gripper: Name = "gripper_controller/gripper_cmd"
    gripper_kind: Literal["gripper_command", "parallel_gripper_command"] = "gripper_command"
    gripper_joint: str | None = None
    gripper_scale: float = Field(1.0, gt=0)
    named: dict[str, tuple[float, ...]] = {
        "home": (0.0, -1.40, 0.0, -1.90, 0.0, 0.95, 0.785),
        "look": (0.0, -0.55, 0.0, -2.35, 0.0, 1.80, 0.785),
        "hand_over": (0.0, 0.223, 0.0, -1.798, 0.0, 2.020, 0.785),
    }
    still_rad_s: float = Field(0.02, gt=0)
    lost_s: float = Field(0.5, gt=0)


class TrajectoryArmSettings(JointArmSettings):
    """An arm that follows joint trajectories (ros2_control), for the node `trajectory_arm`.

    Attributes:
        controller: Action control_msgs/FollowJointTrajectory; the kinematics of its joints is that of `arm.robot`.
    """

    controller: Name = "joint_trajectory_controller/follow_joint_trajectory"


class ObstacleSettings(Strict):
    """A box that never moves: its centre in the base frame and its sides along x, y and z, metres.

    `surface`: things lie on it, so what is held may touch it where it is lifted or put down in a straight line.
    """

    position: tuple[float, float, float]
    size: tuple[Side, Side, Side]
    surface: bool = False


class MoveItArmSettings(JointArmSettings):
    """An arm that MoveIt 2 plans for, for the node `moveit_arm`. The defaults are those of MoveIt's Panda.

    Attributes:
        group: The planning group.
        tcp_link: A link whose frame is the tool centre point: z out of the hand, y along the closing direction.
        hand_links: What may touch the thing that is held or grasped.
        standing_on: Links that touch an obstacle all the time, such as the arm's foot on the bench.
        obstacles: By name; the bench, walls, containers. The default bench ends 5 mm below the real one.
        controllers: Actions control_msgs/FollowJointTrajectory that are cancelled too when the arm is to stop.
        planning_s: Longest planning. A goal that is cancelled meanwhile ends only after it.
        planning_attempts: Plans that are made at once; the shortest is taken.
        pipeline, planner: Empty: MoveIt's own choice.
        step_m: Straight lines are checked so densely.
    """

    joints: tuple[str, ...] = tuple(f"panda_joint{number}" for number in range(1, 8))
    finger_joints: tuple[str, ...] = ("panda_finger_joint1", "panda_finger_joint2")
    gripper: Name = "panda_hand_controller/gripper_cmd"
    gripper_scale: float = Field(0.5, gt=0)
    group: str = "panda_arm"
    tcp_link: str = "panda_hand_tcp"
    hand_links: tuple[str, ...] = ("panda_hand", "panda_leftfinger", "panda_rightfinger")
    standing_on: tuple[str, ...] = ("panda_link0",)
    obstacles: dict[str, ObstacleSettings] = {
        "bench": ObstacleSettings(position=(0.4, 0.0, -0.055), size=(1.2, 1.6, 0.1), surface=True)
    }
    controllers: tuple[Name, ...] = ()
    planning_s: float = Field(1.0, gt=0, le=1.2)
    planning_attempts: int = Field(4, ge=1, le=64)
    pipeline: str = ""
    planner: str = ""
    step_m: float = Field(0.005, gt=0, le=0.02)


class WorkspaceSettings(Strict):
    """What says that nobody is in reach: a topic of std_msgs/Bool, true while the workspace is clear.

    `lost_s`: silence for so long counts as somebody being there.
    """

    topic: Name = "workspace_clear"
    lost_s: float = Field(0.5, gt=0)


class GuardianSettings(Strict):
    """`silent_s`: after so long without a heartbeat every goal is cancelled. `beat_s`: period of the heartbeat."""

    beat_s: float = Field(0.05, gt=0)
    silent_s: float = Field(0.3, gt=0)


class SceneSettings(Strict):
    """What the vision node does besides answering.

    Attributes:
        rate_hz: Looks a second of the continuous scene understanding; 0: none.
        camera: Whose images it looks at. phrases: what is looked for in them; hazards: claims that are checked.
        describe: A caption of each look.
        at_once: Questions that it works on at once; more are refused as `busy`.
        limit_s: The longest that a question waits which names no limit of its own.
    """

    rate_hz: float = Field(0.0, ge=0, le=30)
    camera: str = "overhead"
    phrases: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
    describe: bool = False
    at_once: int = Field(8, ge=1, le=64)
    limit_s: float = Field(20.0, gt=0)


class RosSettings(Strict):
    """The robot.

    Attributes:
        cameras: By the names that leaves use; "overhead" looks at the bench.
        base_frame: The robot's base: x forward, y left, z up, the bench top at z = 0.
        viewer: "auto": a real py_trees_ros tree where py_trees_ros is installed.
    """

    cameras: dict[str, RosCameraSettings] = {}
    arm: RosArmSettings = RosArmSettings()  # type: ignore[call-arg]
    trajectory: TrajectoryArmSettings = TrajectoryArmSettings()  # type: ignore[call-arg]
    moveit: MoveItArmSettings = MoveItArmSettings()  # type: ignore[call-arg]
    workspace: WorkspaceSettings = WorkspaceSettings()  # type: ignore[call-arg]
    guardian: GuardianSettings = GuardianSettings()  # type: ignore[call-arg]
    scene: SceneSettings = SceneSettings()  # type: ignore[call-arg]
    base_frame: str = "base"
    viewer: Literal["auto", "off", "required"] = "auto"

    @model_validator(mode="after")
    def _sees_the_bench(self) -> RosSettings:
        if self.cameras and "overhead" not in self.cameras:
            raise ValueError(f"cameras: one is called 'overhead'; there are: {', '.join(self.cameras)}")
        return self
