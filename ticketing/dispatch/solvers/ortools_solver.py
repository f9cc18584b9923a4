"""OR-Tools routing: visits that begin together or wait for each other, and lateness that costs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ortools.constraint_solver import pywrapcp, routing_enums_pb2

from ticketing.dispatch.indexed import Indexed, moments
from ticketing.dispatch.plan import Plan, groups
from ticketing.dispatch.problem import FAR, Problem
from ticketing.dispatch.solvers.base import Solver, Task

HORIZON = 10**9
CENT = 100  # OR-Tools counts whole numbers: costs are hundredths of a second of driving
MOST = 10**10


class OrTools:
    """Guided local search with breaks, synchronised starts and soft bounds."""

    def solve(self, problem: Problem, task: Task, found: Callable[[Plan], None]) -> None:
        """Find better and better plans until the time is over."""
        model = _Model(Indexed(problem, task.current))
        start = task.start or task.current
        model.search(task.left, start, found)


class _Model:
    """One routing model: node n is visit n of `free`, then one start and one end for each shift."""

    def __init__(self, indexed: Indexed) -> None:
        self.indexed = indexed
        self.visits = indexed.free()
        count, ways = len(self.visits), len(indexed.ways)
        places = [indexed.place[v] for v in self.visits]
        places += [indexed.departure(w)[0] for w in range(ways)] + [way.finish for way in indexed.ways]
        self.places = places
        starts = list(range(count, count + ways))
        ends = list(range(count + ways, count + 2 * ways))
        self.manager = pywrapcp.RoutingIndexManager(count + 2 * ways, ways, starts, ends)
        self.routing = pywrapcp.RoutingModel(self.manager)
        self.node = {visit: self.manager.NodeToIndex(n) for n, visit in enumerate(self.visits)}
        self._costs()
        self._times()
        self._parts()
        self._links()

    def _costs(self) -> None:
        indexed, routing, manager, places = self.indexed, self.routing, self.manager, self.places
        travel = indexed.travel
        for number, way in enumerate(indexed.ways):
            price = round(way.rate * CENT)

            def cost(a: int, b: int, number: int = number, price: int = price) -> int:
                there = manager.IndexToNode(b)
                extra = 0
                if there < len(self.visits) and (costs := indexed.extra[self.visits[there]]):
                    extra = round(costs[number] * CENT)
                drive: int = travel[places[manager.IndexToNode(a)]][places[there]]
                return drive * price + extra

            routing.SetArcCostEvaluatorOfVehicle(routing.RegisterTransitCallback(cost), number)
        for visit, node in self.node.items():
            routing.AddDisjunction([node], min(MOST, round(indexed.prize[visit] * CENT)))
            routing.VehicleVar(node).SetValues([-1, *indexed.ways_for[visit]])

    def _times(self) -> None:
        indexed, routing, manager, places = self.indexed, self.routing, self.manager, self.places
        work = [indexed.seconds[v] for v in self.visits] + [0] * (2 * len(indexed.ways))

        def seconds(a: int, b: int) -> int:
            here = manager.IndexToNode(a)
            drive: int = indexed.travel[places[here]][places[manager.IndexToNode(b)]]
            worked: int = work[here]
            return worked + drive

        routing.AddDimension(routing.RegisterTransitCallback(seconds), HORIZON, HORIZON, False, "time")
        self.time = routing.GetDimensionOrDie("time")
        for visit, node in self.node.items():
            cumul = self.time.CumulVar(node)
            windows = moments(indexed.problem.visits[visit])
            cumul.SetRange(max(0, windows[0][0]), min(HORIZON, windows[-1][1]))
            for (_, closes), (opens, _) in pairwise(windows):
                if opens - closes > 1:
                    cumul.RemoveInterval(closes + 1, opens - 1)
            if indexed.due[visit] < FAR and indexed.late[visit] > 0:
                self.time.SetCumulVarSoftUpperBound(node, indexed.due[visit], max(1, round(indexed.late[visit] * CENT)))
        solver = routing.solver()
        by_node = [indexed.seconds[v] for v in self.visits] + [0] * (2 * len(indexed.ways))
        durations = [by_node[manager.IndexToNode(each)] for each in range(routing.Size())]
        for number, way in enumerate(indexed.ways):
            _, start = indexed.departure(number)
            self.time.CumulVar(routing.Start(number)).SetRange(min(start, way.latest), way.latest)
            self.time.CumulVar(routing.End(number)).SetRange(min(start, way.latest), way.latest)
            if way.overtime > 0 and way.latest > way.end:
                self.time.SetCumulVarSoftUpperBound(routing.End(number), way.end, max(1, round(way.overtime * CENT)))
            if way.lunch is not None:
                length, earliest, latest = way.lunch
                lunch = solver.FixedDurationIntervalVar(earliest, latest - length, length, False, f"lunch {number}")
                self.time.SetBreakIntervalsOfVehicle([lunch], number, durations)

    def _parts(self) -> None:
        indexed, routing, manager = self.indexed, self.routing, self.manager
        for part in range(len(indexed.carried[0]) if indexed.carried else 0):
            wanted = [dict(indexed.needs[v]).get(part, 0) for v in self.visits] + [0] * (2 * len(indexed.ways))
            load = routing.RegisterUnaryTransitCallback(lambda a, wanted=wanted: wanted[manager.IndexToNode(a)])
            carried = [max(0, indexed.carried[way.technician][part]) for way in indexed.ways]
            routing.AddDimensionWithVehicleCapacity(load, 0, carried, True, f"part {part}")

    def _links(self) -> None:
        indexed, routing, solver = self.indexed, self.routing, self.routing.solver()
        number = indexed.visit_number
        for members in groups(indexed.problem).values():
            nodes = [self.node.get(number[each.id]) for each in members]
            if any(node is None for node in nodes):
                for node in nodes:
                    if node is not None:
                        routing.ActiveVar(node).SetValue(0)
                continue
            for first, other in [(a, b) for n, a in enumerate(nodes) for b in nodes[n + 1 :]]:
                active = routing.ActiveVar(first)
                solver.Add(routing.ActiveVar(other) == active)
                solver.Add((self.time.CumulVar(first) - self.time.CumulVar(other)) * active == 0)
                apart = routing.VehicleVar(first) - routing.VehicleVar(other) + 100_000 * (1 - active)
                solver.Add(apart != 0)
        for visit in indexed.problem.visits:
            node, before = self.node.get(number[visit.id]), self.node.get(number.get(visit.after or "", -1))
            if visit.after is None or node is None or before is None:
                continue
            active, lead = routing.ActiveVar(node), indexed.problem.visit_by_id[visit.after]
            wait = self.time.CumulVar(node) - self.time.CumulVar(before) - lead.seconds
            solver.Add(active <= routing.ActiveVar(before))
            solver.Add(wait * active >= active * visit.gap_min)
            if visit.gap_max is not None:
                solver.Add(wait * active <= active * visit.gap_max)

    def search(self, seconds: float, start: Plan | None, found: Callable[[Plan], None]) -> None:
        """Search from a plan if it fits the model, else from nothing."""
        parameters = pywrapcp.DefaultRoutingSearchParameters()
        parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
        parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
        parameters.time_limit.FromMilliseconds(max(100, int(seconds * 1000)))
        self.routing.CloseModelWithParameters(parameters)
        self.least: int | None = None
        self.routing.AddAtSolutionCallback(lambda: self._better(found))
        begin: Any = None
        if start is not None:
            routes = self.indexed.numbered(start)
            known = [[self.node[v] for v in routes.get(w, ()) if v in self.node] for w in range(len(self.indexed.ways))]
            begin = self.routing.ReadAssignmentFromRoutes(known, True)
        if begin is not None:
            self.routing.SolveFromAssignmentWithParameters(begin, parameters)
        else:
            self.routing.SolveWithParameters(parameters)

    def _better(self, found: Callable[[Plan], None]) -> None:
        cost = self.routing.CostVar().Value()
        if self.least is not None and cost >= self.least:
            return
        self.least = cost
        routes: dict[int, tuple[int, ...]] = {}
        for way in range(len(self.indexed.ways)):
            index, visits = self.routing.NextVar(self.routing.Start(way)).Value(), []
            while not self.routing.IsEnd(index):
                visits.append(self.visits[self.manager.IndexToNode(index)])
                index = self.routing.NextVar(index).Value()
            routes[way] = tuple(visits)
        found(self.indexed.plan(self.indexed.with_begun(routes)))


SOLVER: Solver = OrTools()
