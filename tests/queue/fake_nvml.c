/* A small libnvidia-ml.so.1 for tests: just what allocate.py calls through either pynvml.

   Each call reads the world anew from the text file named by FAKE_NVML, so that a test can change
   it while allocate.py waits:

       gpu UUID BUS_ID TOTAL USED RESERVED MODE MIG   memory in MiB; MODE 0 default, 2 prohibited;
                                                      MIG 0 off, 1 on, 2 a card without MIG
       process GPU PID                                GPU: number of the gpu line, from 0
       error FUNCTION CODE                            every call of FUNCTION fails
       lost GPU                                       calls about that GPU fail with 15

   Handles are numbers of gpu lines, plus 1. Functions and structs are named as in nvml.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GPUS 64
#define MAX_PROCESSES 1024
#define MIB(count) ((unsigned long long)(count) << 20)

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25
};

struct gpu {
    char uuid[96], bus_id[32];
    unsigned long long total, used, reserved;
    unsigned mode, mig;
    int lost;
};

struct process {
    unsigned gpu, pid;
};

static struct gpu gpus[MAX_GPUS];
static struct process processes[MAX_PROCESSES];
static unsigned num_gpus, num_processes;
static int is_initialized;

static int read_line(const char *line, const char *function) {
    struct gpu gpu = {0};
    struct process process;
    char name[96];
    unsigned number;
    int code;
    if (sscanf(line, "gpu %95s %31s %llu %llu %llu %u %u", gpu.uuid, gpu.bus_id, &gpu.total,
               &gpu.used, &gpu.reserved, &gpu.mode, &gpu.mig) == 7 && num_gpus < MAX_GPUS)
        gpus[num_gpus++] = gpu;
    else if (sscanf(line, "process %u %u", &process.gpu, &process.pid) == 2 &&
             num_processes < MAX_PROCESSES)
        processes[num_processes++] = process;
    else if (sscanf(line, "lost %u", &number) == 1 && number < num_gpus)
        gpus[number].lost = 1;
    else if (sscanf(line, "error %95s %d", name, &code) == 2 && !strcmp(name, function))
        return code;
    return SUCCESS;
}

static int read_world(const char *function) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    int result = SUCCESS;
    num_gpus = num_processes = 0;
    if (!file)
        return DRIVER_NOT_LOADED;
    while (fgets(line, sizeof line, file)) {
        int code = read_line(line, function);
        if (code)
            result = code;
    }
    fclose(file);
    return result;
}

static int enter(const char *function) {
    int code = read_world(function);
    return is_initialized ? code : UNINITIALIZED;
}

static int find(const char *function, void *handle, struct gpu **found) {
    unsigned long number = (unsigned long)handle;
    int code = enter(function);
    if (code)
        return code;
    if (number < 1 || number > num_gpus)
        return INVALID_ARGUMENT;
    *found = &gpus[number - 1];
    return (*found)->lost ? GPU_IS_LOST : SUCCESS;
}

/* A function about one GPU: the body runs where the call is not told to fail. */
#define ABOUT_GPU(name, handle, body)                                                              \
    {                                                                                              \
        struct gpu *gpu;                                                                           \
        int code = find(name, handle, &gpu);                                                       \
        if (code == SUCCESS) {                                                                     \
            body;                                                                                  \
        }                                                                                          \
        return code;                                                                               \
    }

int nvmlInit_v2(void) {
    int code = read_world("nvmlInit");
    is_initialized = code == SUCCESS;
    return code;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    return nvmlInit_v2();
}

int nvmlShutdown(void) {
    is_initialized = 0;
    return SUCCESS;
}

const char *nvmlErrorString(int code) {
    switch (code) {
    case SUCCESS: return "Success";
    case NOT_SUPPORTED: return "Not Supported";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    int code = enter("nvmlDeviceGetCount");
    *count = num_gpus;
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(index + 1ul);
    ABOUT_GPU("nvmlDeviceGetHandleByIndex", *handle, )
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    ABOUT_GPU("nvmlDeviceGetUUID", handle, snprintf(text, size, "%s", gpu->uuid))
}

int nvmlDeviceGetComputeMode(void *handle, unsigned *mode) {
    ABOUT_GPU("nvmlDeviceGetComputeMode", handle, *mode = gpu->mode)
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    ABOUT_GPU("nvmlDeviceGetMigMode", handle, {
        if (gpu->mig == 2)
            return NOT_SUPPORTED;
        *current = *pending = gpu->mig;
    })
}

struct pci_v2 {
    char bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id, padding[4];
};

struct pci_v3 {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};

int nvmlDeviceGetPciInfo_v2(void *handle, struct pci_v2 *pci) {
    ABOUT_GPU("nvmlDeviceGetPciInfo", handle, {
        memset(pci, 0, sizeof *pci);
        sscanf(gpu->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    })
}

int nvmlDeviceGetPciInfo_v3(void *handle, struct pci_v3 *pci) {
    ABOUT_GPU("nvmlDeviceGetPciInfo", handle, {
        memset(pci, 0, sizeof *pci);
        sscanf(gpu->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    })
}

struct memory {
    unsigned long long total, free, used;
};

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

int nvmlDeviceGetMemoryInfo(void *handle, struct memory *memory) {
    ABOUT_GPU("nvmlDeviceGetMemoryInfo", handle, {
        memory->total = MIB(gpu->total);
        memory->used = MIB(gpu->used + gpu->reserved);
        memory->free = memory->total - memory->used;
    })
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, struct memory_v2 *memory) {
    ABOUT_GPU("nvmlDeviceGetMemoryInfo_v2", handle, {
        if (memory->version != 0x02000028)
            return VERSION_MISMATCH;
        memory->total = MIB(gpu->total);
        memory->reserved = MIB(gpu->reserved);
        memory->used = MIB(gpu->used);
        memory->free = memory->total - memory->used - memory->reserved;
    })
}

struct process_v1 {
    unsigned pid;
    unsigned long long memory;
};

struct process_v3 {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
};

#define LIST_PROCESSES(handle, count, infos)                                                       \
    ABOUT_GPU("nvmlDeviceGetComputeRunningProcesses", handle, {                                    \
        unsigned room = *count;                                                                    \
        *count = 0;                                                                                \
        for (unsigned i = 0; i < num_processes; i++) {                                             \
            if (&gpus[processes[i].gpu] != gpu)                                                    \
                continue;                                                                          \
            if (*count < room) {                                                                   \
                memset(&infos[*count], 0, sizeof infos[*count]);                                   \
                infos[*count].pid = processes[i].pid;                                              \
            }                                                                                      \
            ++*count;                                                                              \
        }                                                                                          \
        if (*count > room)                                                                         \
            return INSUFFICIENT_SIZE;                                                              \
    })

int nvmlDeviceGetComputeRunningProcesses(void *handle, unsigned *count, struct process_v1 *infos) {
    LIST_PROCESSES(handle, count, infos)
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count,
                                            struct process_v3 *infos) {
    LIST_PROCESSES(handle, count, infos)
}
